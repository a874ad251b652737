//! Makes Parameter Store watchable: sweeps the versions of all wanted names, without decryption, and says whose changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::domain::{
    audit::ObjectRef,
    parameter::{name::ParameterRef, revision::Metadata, scope::Scope},
    report::event::Access,
    schedule::decide::Purpose,
};
use crate::parameters::{
    Priority,
    audited_client::AuditedClient,
    batch::{Batcher, ReadReply, ReadRequest},
    cache::{
        listings::RETRY,
        table::{Index, Seen, Subscriber, Wants},
    },
    port::{Mode, ParameterApi},
    read_error::ReadError,
};

mod key_discovery;
mod list_path;
mod snapshot;

pub use snapshot::{Known, LookUp};

/// Watches the versions of all wanted names of one identity. Ends when dropped.
pub struct Informer<A> {
    shared: Arc<Shared<A>>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

struct Shared<A> {
    batcher: Arc<Batcher<A>>,
    caller: Arc<AuditedClient<A>>,
    scope: Scope,
    index: Mutex<Index>,
    wake: Notify,
    /// Rings when there may be keys to learn.
    unknown_keys: Notify,
    changed: UnboundedSender<Subscriber>,
}

impl<A> Drop for Informer<A> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl<A: ParameterApi> Informer<A> {
    /// Starts. `changed` is told the objects whose names changed; `offset`, from 0 to 1, is where within its period the
    /// first sweep begins.
    pub fn new(
        caller: Arc<AuditedClient<A>>,
        batcher: Arc<Batcher<A>>,
        scope: Scope,
        changed: UnboundedSender<Subscriber>,
        offset: f64,
    ) -> Self {
        let index = Mutex::new(Index::new(offset));
        let (wake, unknown_keys) = (Notify::new(), Notify::new());
        let shared = Arc::new(Shared { batcher, caller, scope, index, wake, unknown_keys, changed });
        let tasks = [tokio::spawn(Arc::clone(&shared).sweep()), tokio::spawn(Arc::clone(&shared).learn_keys())];
        Self { shared, tasks }
    }

    /// Makes an object want exactly this.
    pub fn subscribe(&self, subscriber: &Subscriber, object: ObjectRef, wants: Wants, look: bool) {
        self.shared.index().subscribe(subscriber, object, wants, look, Instant::now());
        self.shared.wake.notify_one();
    }

    /// Forgets an object.
    pub fn unsubscribe(&self, subscriber: &Subscriber) {
        self.shared.index().unsubscribe(subscriber);
    }

    /// Takes in what a read found: it need not be looked at again before its time.
    pub fn observe(
        &self,
        parameter_ref: &ParameterRef,
        result: Result<Metadata, ReadError>,
        access: Option<Arc<Access>>,
    ) {
        self.shared.observe(parameter_ref, Seen { result, access });
    }

    /// Notes that a value was decrypted, and by which key where that is known.
    pub fn decrypted(&self, parameter_ref: &ParameterRef, version: i64, key: Option<&str>) {
        let mut index = self.shared.index();
        index.decrypted(parameter_ref, Instant::now());
        if key.is_some() {
            index.keys.learnt(parameter_ref, version, key);
            self.shared.unknown_keys.notify_one();
        }
        // A key that decrypts is in no trouble, whatever KMS said of it before.
        let id = index.keys.id(parameter_ref, version).cloned();
        let in_trouble = |id: &Arc<str>| self.shared.caller.known_key(id).is_some_and(|key| key.trouble().is_some());
        if let Some(id) = id.filter(in_trouble) {
            self.shared.caller.forget_key(&id);
            index.keys.ask_again(id);
            self.shared.unknown_keys.notify_one();
        }
    }

    /// Takes over what was known of the key of a version before a restart.
    pub fn remember_key(&self, parameter_ref: &ParameterRef, version: i64, key: &str) {
        let mut index = self.shared.index();
        if index.keys.id(parameter_ref, version).is_none() {
            index.keys.learnt(parameter_ref, version, Some(key));
            self.shared.unknown_keys.notify_one();
        }
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
            let (due, next_look) = self.index().due(Instant::now());
            for parameter_ref in due {
                let look = looks.spawn(Arc::clone(&self).look(parameter_ref.clone()));
                self.index().looking(&parameter_ref, look);
            }
            let (due, next_revalidation) = self.index().due_revalidations(Instant::now());
            for (parameter_ref, mode) in due {
                looks.spawn(Arc::clone(&self).revalidate(parameter_ref, mode));
            }
            let (due, next_listing) = self.index().listings.due(Instant::now());
            for due in due {
                let listing = due.listing.clone();
                let stop = looks.spawn(Arc::clone(&self).list(due));
                self.index().listings.in_flight(&listing, stop);
            }
            match [next_look, next_revalidation, next_listing].into_iter().flatten().min() {
                Some(next) => tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.wake.notified() => {}
                },
                None => self.wake.notified().await,
            }
        }
    }

    /// Decrypts a value again although it did not change: whoever may not do so any more is told. The value itself is
    /// dropped.
    async fn revalidate(self: Arc<Self>, parameter_ref: ParameterRef, mode: Mode) {
        let objects = self.index().objects(&parameter_ref);
        let objects = objects.iter().map(|object| object.with_purpose(Purpose::Revalidation)).collect();
        let question = ReadRequest { mode, ..ReadRequest::new(parameter_ref.clone(), Priority::Revalidation, objects) };
        let Ok(ReadReply { result, accesses, .. }) = self.batcher.ask(question).await else { return };
        match result {
            Ok(Some(parameter)) => {
                self.index().decrypted(&parameter_ref, Instant::now());
                self.observe(&parameter_ref, Seen { result: Ok(parameter.metadata()), access: None });
            }
            // Not a matter of access. It is due again after its interval; looks see to the rest.
            Ok(None) => {}
            Err(error) if error.is_outage() => {}
            Err(error) => {
                self.observe(&parameter_ref, Seen { result: Err(error), access: accesses.into_iter().next_back() });
            }
        }
    }

    /// Looks at one name; the batcher puts ten into a call.
    async fn look(self: Arc<Self>, parameter_ref: ParameterRef) {
        self.look_until_answered(&parameter_ref).await;
        self.index().looked(&parameter_ref);
    }

    async fn look_until_answered(&self, parameter_ref: &ParameterRef) {
        let mut wait = RETRY.0;
        loop {
            let objects = self.index().objects(parameter_ref);
            if objects.is_empty() {
                return;
            }
            let objects = objects.iter().map(|object| object.with_purpose(Purpose::VersionCheck)).collect();
            let asked = self.batcher.ask(ReadRequest::new(parameter_ref.clone(), Priority::Sweep, objects));
            let Ok(ReadReply { result, accesses, .. }) = asked.await else { return };
            let result = match result {
                Ok(Some(parameter)) => Ok(parameter.metadata()),
                Ok(None) => Err(ReadError::NotFound),
                Err(error) => Err(error),
            };
            let is_outage = result.as_ref().is_err_and(ReadError::is_outage);
            let access = accesses.into_iter().next_back().filter(|_| result.is_err());
            self.observe(parameter_ref, Seen { result, access });
            if !is_outage {
                return;
            }
            // What passes by itself is looked at again sooner than at the next sweep.
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }

    fn observe(&self, parameter_ref: &ParameterRef, seen: Seen) {
        let (subscribers, is_curious) = {
            let mut index = self.index();
            (index.observe(parameter_ref, seen, Instant::now()), index.keys.is_curious())
        };
        if is_curious {
            self.unknown_keys.notify_one();
        }
        self.tell_changed(subscribers);
    }

    fn tell_changed(&self, subscribers: Vec<Subscriber>) {
        for subscriber in subscribers {
            // The receiver goes only when the process ends.
            let _ = self.changed.send(subscriber);
        }
    }
}
