//! Makes Parameter Store watchable: sweeps the versions of all wanted names, without decryption, and says whose changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Priority,
    batcher::{Batcher, Mode, Reply},
    error::ReadError,
    index::{Index, Seen, Subscriber},
    port::ParameterApi,
    reader::{Reads, own},
};
use crate::domain::{
    audit::ObjectRef,
    decide::Purpose,
    event::Access,
    parameter::Wanted,
    revision::{Metadata, Versions},
};

/// First and longest wait before a name is looked at again that could not be asked.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Watches the versions of all wanted names of one identity. Ends when dropped.
pub struct Informer<A> {
    shared: Arc<Shared<A>>,
    sweeper: tokio::task::JoinHandle<()>,
}

struct Shared<A> {
    batcher: Arc<Batcher<A>>,
    index: Mutex<Index>,
    wake: Notify,
    changed: UnboundedSender<Subscriber>,
    /// Where within its period the first sweep begins, from 0 to 1.
    offset: f64,
}

/// What the informer knows of an object's names.
#[derive(Debug)]
pub enum Known {
    /// Not every name was looked at yet.
    Unseen,
    /// The state of every name, and the errors of those that could not be read.
    Seen {
        /// What exists, and what does not.
        versions: Versions,
        /// What could not be read, or is missing.
        errors: BTreeMap<Wanted, ReadError>,
        /// The calls that failed.
        accesses: Vec<Access>,
    },
}

impl<A> Drop for Informer<A> {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl<A: ParameterApi> Informer<A> {
    /// Starts. `changed` is told the objects whose names changed.
    pub fn new(batcher: Arc<Batcher<A>>, changed: UnboundedSender<Subscriber>, offset: f64) -> Self {
        let shared = Arc::new(Shared { batcher, index: Mutex::default(), wake: Notify::new(), changed, offset });
        let sweeper = tokio::spawn(Arc::clone(&shared).sweep());
        Self { shared, sweeper }
    }

    /// Makes an object want exactly these names.
    pub fn subscribe(
        &self,
        subscriber: &Subscriber,
        object: ObjectRef,
        wanted: BTreeSet<Wanted>,
        interval: Option<Duration>,
        look: bool,
    ) {
        self.shared.index().subscribe(subscriber, object, wanted, interval, look, Instant::now());
        self.shared.wake.notify_one();
    }

    /// Forgets an object.
    pub fn unsubscribe(&self, subscriber: &Subscriber) {
        self.shared.index().unsubscribe(subscriber);
    }

    /// What is known of names.
    pub fn known(&self, reads: &Reads<'_>) -> Known {
        let index = self.shared.index();
        let (mut versions, mut errors, mut accesses) = (Versions::new(), BTreeMap::new(), Vec::<Arc<Access>>::new());
        for (wanted, optional) in reads {
            let Some(seen) = index.seen(wanted) else { return Known::Unseen };
            match &seen.result {
                Ok(metadata) => drop(versions.insert((*wanted).clone(), Some(metadata.clone()))),
                Err(ReadError::NotFound | ReadError::VersionNotFound) if *optional => {
                    versions.insert((*wanted).clone(), None);
                }
                Err(error) => {
                    errors.insert((*wanted).clone(), error.clone());
                    let news = seen.access.iter().filter(|a| !accesses.iter().any(|known| Arc::ptr_eq(known, a)));
                    let news: Vec<_> = news.cloned().collect();
                    accesses.extend(news);
                }
            }
        }
        Known::Seen { versions, errors, accesses: own(accesses, reads) }
    }

    /// Whether a name is known to be missing.
    pub fn is_missing(&self, wanted: &Wanted) -> bool {
        let index = self.shared.index();
        let seen = index.seen(wanted).map(|seen| &seen.result);
        matches!(seen, Some(Err(ReadError::NotFound | ReadError::VersionNotFound)))
    }

    /// Takes in what a read found: it need not be looked at again before its time.
    pub fn observe(&self, wanted: &Wanted, result: Result<Metadata, ReadError>, access: Option<Arc<Access>>) {
        self.shared.observe(wanted, Seen { result, access });
    }

    /// How many names are wanted, and how many calls a second their sweeps take.
    pub fn load(&self) -> (usize, f64) {
        let index = self.shared.index();
        (index.len(), index.load())
    }
}

impl<A: ParameterApi> Shared<A> {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sweep(self: Arc<Self>) {
        // Ends with the sweeper, and all looks with it.
        let mut looks = JoinSet::new();
        loop {
            while looks.try_join_next().is_some() {}
            let (due, next) = self.index().due(Instant::now(), self.offset);
            for wanted in due {
                let look = looks.spawn(Arc::clone(&self).look(wanted.clone()));
                self.index().looking(&wanted, look);
            }
            match next {
                Some(next) => tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.wake.notified() => {}
                },
                None => self.wake.notified().await,
            }
        }
    }

    /// Looks at one name; the batcher puts ten into a call.
    async fn look(self: Arc<Self>, wanted: Wanted) {
        self.look_until_answered(&wanted).await;
        self.index().looked(&wanted);
    }

    async fn look_until_answered(&self, wanted: &Wanted) {
        let mut wait = RETRY.0;
        loop {
            let objects = self.index().objects(wanted);
            if objects.is_empty() {
                return;
            }
            let objects = objects.iter().map(|object| object.because(Purpose::VersionCheck)).collect();
            let asked = self.batcher.ask(Mode::Look, wanted.clone(), false, Priority::Sweep, "", objects);
            let Ok(Reply { result, accesses }) = asked.await else { return };
            let result = match result {
                Ok(Some(parameter)) => Ok(parameter.metadata()),
                Ok(None) => Err(ReadError::NotFound),
                Err(error) => Err(error),
            };
            let is_outage = matches!(&result, Err(ReadError::Call { error, .. }) if error.kind.reason().is_outage());
            let access = accesses.into_iter().next_back().filter(|_| result.is_err());
            self.observe(wanted, Seen { result, access });
            if !is_outage {
                return;
            }
            // What passes by itself is looked at again sooner than at the next sweep.
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }

    fn observe(&self, wanted: &Wanted, seen: Seen) {
        let subscribers = self.index().observe(wanted, seen, Instant::now());
        for subscriber in subscribers {
            // The receiver goes only when the process ends.
            let _ = self.changed.send(subscriber);
        }
    }
}
