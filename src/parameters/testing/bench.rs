//! A reader on a store of its own, and names to ask it for.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::parameters::testing::{ACCOUNT, REGION, Store};
use crate::{
    domain::{
        audit::ObjectRef,
        parameter::{name::ParameterRef, scope::Scope, selector::Selector},
        plan::{
            from_spec::plan_of_keys,
            types::{Place, Plan, Read, Reads, Source},
        },
        schedule::decide::Purpose,
    },
    parameters::{Mode, Quotas, Reader, Reading, Subscriber, Terms},
};

pub fn scope() -> Scope {
    Scope { partition: "aws".into(), region: REGION.into(), account: ACCOUNT.into() }
}

pub fn parameter_ref(name: &str) -> ParameterRef {
    ParameterRef::new(name, None, &scope())
}

pub fn version(name: &str, version: i64) -> ParameterRef {
    ParameterRef::new(name, Some(Selector::Version(version)), &scope())
}

pub fn labelled(name: &str, label: &str) -> ParameterRef {
    ParameterRef::new(name, Some(Selector::Label(label.into())), &scope())
}

pub fn object(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        kind: "SecureParameter",
        namespace: Some(namespace.into()),
        name: name.into(),
        uid: format!("uid-{namespace}-{name}"),
        secret: None,
        reason: "",
    }
}

/// Names that must exist.
pub fn needed<'a>(names: impl IntoIterator<Item = &'a ParameterRef>) -> Reads<'a> {
    names.into_iter().map(|name| (name, Read { optional: false, listed: false })).collect()
}

/// Names that may be absent.
pub fn optional<'a>(names: impl IntoIterator<Item = &'a ParameterRef>) -> Reads<'a> {
    names.into_iter().map(|name| (name, Read { optional: true, listed: false })).collect()
}

/// A plan that wants these names.
fn plan(names: &[ParameterRef]) -> Plan {
    let source = |(number, name): (usize, &ParameterRef)| {
        let key = number.to_string();
        (key.clone(), Source::of(Place::Data(key), name.clone()))
    };
    plan_of_keys(names.iter().enumerate().map(source))
}

/// A reader on a store of its own.
pub struct Bench {
    pub store: Store,
    pub quotas: Quotas,
    pub reader: Arc<Reader<Store>>,
    pub changed: UnboundedReceiver<Subscriber>,
}

impl Bench {
    /// With so many requests a second.
    pub async fn new(rate: i32) -> Self {
        let (store, quotas) = (Store::default(), Quotas::default());
        quotas.state("store", ACCOUNT, REGION, Some(rate));
        // What is learnt of keys is news to objects too; only tests of that want it.
        store.state().may_not_describe = true;
        let (reader, changed) = open(&store, &quotas).await;
        Self { store, quotas, reader, changed }
    }

    /// As after a crash: a new reader that knows nothing.
    pub async fn restart(&mut self) {
        (self.reader, self.changed) = open(&self.store, &self.quotas).await;
    }

    /// Another reader of the same account and region.
    pub async fn other(&self) -> Arc<Reader<Store>> {
        open(&self.store, &self.quotas).await.0
    }

    /// Has an object of namespace `shop` watch names, looked at once in so many seconds.
    pub fn watch(&self, name: &str, names: &[ParameterRef], interval: u64, look: bool) {
        let interval = Some(Duration::from_secs(interval));
        self.watch_on(name, names, Terms { interval, revalidate: None, mode: Mode::Decrypt }, look);
    }

    /// The same on any terms.
    pub fn watch_on(&self, name: &str, names: &[ParameterRef], terms: Terms, look: bool) {
        self.reader.watch(&subscriber(name), &object("shop", name), &plan(names), terms, look);
    }

    /// Reads for a first sync of an object of a namespace of that name, in the background.
    pub fn read(&self, namespace: &str, names: &[ParameterRef]) -> tokio::task::JoinHandle<Reading> {
        let (reader, names, object) = (self.reader.clone(), names.to_vec(), object(namespace, "object"));
        tokio::spawn(async move { reader.read(&needed(&names), Mode::Decrypt, Purpose::FirstSync, &object).await })
    }

    /// The objects that were told of changes until now, by name, sorted.
    pub fn told(&mut self) -> Vec<String> {
        let mut told: Vec<_> = std::iter::from_fn(|| self.changed.try_recv().ok()).map(|(_, name)| name).collect();
        told.sort();
        told
    }
}

async fn open(store: &Store, quotas: &Quotas) -> (Arc<Reader<Store>>, UnboundedReceiver<Subscriber>) {
    let (tell, changed) = unbounded_channel();
    let opened = Reader::open(store.clone(), quotas, Arc::new(store.clone()), tell, &object("shop", "store")).await;
    (Arc::new(opened.expect("STS answers")), changed)
}

pub fn subscriber(name: &str) -> Subscriber {
    ("shop".into(), name.into())
}
