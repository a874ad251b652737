//! A reader with a Parameter Store of its own.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
};

use crate::background::Alarm;
use crate::domain::{
    parameter::name::ParameterRef,
    plan::{
        from_spec::plan_of_keys,
        types::{Place, Plan, Source},
    },
    schedule::decide::Purpose,
};
use crate::parameters::{
    cache::subscription::{Subscriber, WatchOptions},
    port::ReadMode,
    quota::quotas::Quotas,
    reader::Reader,
    reading::Reading,
    testing::{
        fake_store::FakeStore,
        names::{ACCOUNT, REGION, needed, object},
    },
};

/// A reader with a Parameter Store of its own.
pub(crate) struct Harness {
    pub(crate) store: FakeStore,
    pub(crate) quotas: Quotas,
    pub(crate) reader: Arc<Reader<FakeStore>>,
    pub(crate) changed: UnboundedReceiver<Subscriber>,
}

impl Harness {
    /// Opens a reader that makes this many requests a second.
    pub(crate) async fn new(requests_per_second: i32) -> Self {
        let (store, quotas) = (FakeStore::default(), Quotas::default());
        quotas.set("store", ACCOUNT, REGION, Some(requests_per_second));
        // Discovered keys notify objects too. Only the tests of key discovery want that.
        store.state().may_not_describe = true;
        let (reader, changed) = open(&store, &quotas).await;
        Self { store, quotas, reader, changed }
    }

    /// Replaces the reader by a new one that knows nothing, as after a crash.
    pub(crate) async fn restart(&mut self) {
        (self.reader, self.changed) = open(&self.store, &self.quotas).await;
    }

    /// Opens another reader of the same account and region.
    pub(crate) async fn second_reader(&self) -> Arc<Reader<FakeStore>> {
        open(&self.store, &self.quotas).await.0
    }

    /// Makes an object of namespace `shop` watch names, each checked once in this many seconds.
    pub(crate) fn watch(&self, name: &str, names: &[ParameterRef], interval: u64, check_now: bool) {
        let interval = Some(Duration::from_secs(interval));
        let options = WatchOptions { interval, revalidate: None, mode: ReadMode::Decrypt };
        self.watch_with(name, names, options, check_now);
    }

    /// Makes an object of namespace `shop` watch names with these options.
    pub(crate) fn watch_with(&self, name: &str, names: &[ParameterRef], options: WatchOptions, check_now: bool) {
        self.reader.watch(&object("shop", name), &plan(names), options, check_now);
    }

    /// Reads for a first sync of an object of this namespace, in a task.
    pub(crate) fn read(&self, namespace: &str, names: &[ParameterRef]) -> JoinHandle<Reading> {
        let (reader, names, object) = (self.reader.clone(), names.to_vec(), object(namespace, "object"));
        tokio::spawn(async move { reader.read(&needed(&names), ReadMode::Decrypt, Purpose::FirstSync, &object).await })
    }

    /// Takes the names of the objects that were notified of changes, sorted.
    pub(crate) fn notified(&mut self) -> Vec<String> {
        let mut notified: Vec<_> =
            std::iter::from_fn(|| self.changed.try_recv().ok()).map(|subscriber| subscriber.name.to_string()).collect();
        notified.sort();
        notified
    }
}

/// Returns a plan that reads these names.
pub(crate) fn plan(names: &[ParameterRef]) -> Plan {
    let source = |(number, name): (usize, &ParameterRef)| {
        let key = number.to_string();
        (key.clone(), Source::of(Place::Data(key), name.clone()))
    };
    plan_of_keys(names.iter().enumerate().map(source))
}

async fn open(store: &FakeStore, quotas: &Quotas) -> (Arc<Reader<FakeStore>>, UnboundedReceiver<Subscriber>) {
    let (sender, changed) = unbounded_channel();
    let opened = Reader::open(
        store.clone(),
        quotas,
        Arc::new(store.clone()),
        sender,
        &object("shop", "store"),
        &Alarm::default(),
    )
    .await;
    (Arc::new(opened.expect("STS responds")), changed)
}
