//! Which reader watches the parameters of which object.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::controller::store::sessions::StoreReader;
use crate::{
    api::status::ParameterStatus,
    aws::client::AwsApi,
    domain::{
        Fault,
        access::namespace_usage::{NamespaceLimit, NamespaceUsage},
        audit::ObjectRef,
        parameter::{name::ParameterRef, selector::Selector},
        plan::types::{Plan, Reads},
    },
    parameters::{Reader, Subscriber, VersionAge, WatchOptions},
};

/// The subscriptions of all objects, by uid. Each ends with its object, or when the object may not read any more or reads
/// from another store.
pub(crate) struct Subscriptions {
    usage: Arc<Mutex<NamespaceUsage>>,
    entries: Mutex<HashMap<Arc<str>, Entry>>,
}

/// How an object watches.
struct Entry {
    reader: StoreReader,
    /// As whom the reader knows it.
    subscriber: Subscriber,
}

impl Subscriptions {
    /// Nobody watches anything yet. What is watched counts as `usage` of its namespace.
    pub(crate) fn new(usage: Arc<Mutex<NamespaceUsage>>) -> Self {
        Self { usage, entries: Mutex::default() }
    }

    /// Makes an object watch exactly what a plan reads, through this reader alone. `known` is what the status knows of the
    /// parameters, which a new reader need not ask for again.
    ///
    /// # Errors
    /// `NamespaceLimitReached` if the namespace would watch too much. The object then watches nothing.
    pub(crate) fn watch(
        &self,
        reader: &StoreReader,
        (uid, object): (&Arc<str>, &ObjectRef),
        plan: &Plan,
        (options, check_now): (WatchOptions, bool),
        known: &[ParameterStatus],
    ) -> Result<(), Fault> {
        let (claimed, mut entries) = (self.claim(object, plan), self.entries.lock());
        let is_watching = |entry: &Entry| Arc::ptr_eq(&entry.reader, reader);
        let is_new = !entries.get(uid).is_some_and(is_watching);
        if is_new || claimed.is_err() {
            entries.remove(uid).iter().for_each(|former| former.reader.forget(&former.subscriber));
        }
        claimed?;
        let subscriber = reader.watch(object, plan, options, check_now);
        entries.insert(Arc::clone(uid), Entry { reader: Arc::clone(reader), subscriber });
        // Names below a path are known only once it was listed.
        if is_new || plan.has_paths() {
            restore(reader, &plan.reads(), known);
        }
        Ok(())
    }

    fn claim(&self, object: &ObjectRef, plan: &Plan) -> Result<(), Fault> {
        let (lookups, reads) = (plan.lookups(), plan.reads());
        let names = reads.keys().copied().chain(lookups.newest.keys());
        let (namespace, uid) = (object.namespace.as_deref().unwrap_or_default(), object.uid.as_str());
        let mut usage = self.usage.lock();
        let paths = usage.claim(namespace, uid, NamespaceLimit::Paths, lookups.listings.iter());
        let names = usage.claim(namespace, uid, NamespaceLimit::Parameters, names);
        // Who is refused one watches neither.
        match (&paths, &names) {
            (Ok(()), Err(_)) => usage.release(namespace, uid, NamespaceLimit::Paths),
            (Err(_), Ok(())) => usage.release(namespace, uid, NamespaceLimit::Parameters),
            _ => {}
        }
        paths.and(names)
    }

    /// Ends the subscription of an object.
    pub(crate) fn end(&self, namespace: &str, uid: &str) {
        self.entries.lock().remove(uid).iter().for_each(|entry| entry.reader.forget(&entry.subscriber));
        let mut usage = self.usage.lock();
        for limit in [NamespaceLimit::Parameters, NamespaceLimit::Paths] {
            usage.release(namespace, uid, limit);
        }
    }

    /// Returns the number of distinct parameters and paths that all readers watch.
    pub(crate) fn watched(&self) -> (usize, usize) {
        let entries = self.entries.lock();
        let readers = entries.values().map(|entry| &entry.reader);
        let readers: BTreeMap<_, _> = readers.map(|reader| (Arc::as_ptr(reader).addr(), reader)).collect();
        let counts = readers.values().map(|reader| reader.watched());
        counts.fold((0, 0), |(names, paths), (more_names, more_paths)| (names + more_names, paths + more_paths))
    }
}

/// Tells a reader which versions and keys the status knows.
fn restore(reader: &Reader<AwsApi>, reads: &Reads<'_>, known: &[ParameterStatus]) {
    for status in known {
        for parameter in reads.keys().filter(|parameter| is_selected(parameter, status)) {
            let modified = status.last_modified_time.as_ref().map(|time| time.0);
            reader.remember_version(parameter, VersionAge::new(status.version, modified));
            if let Some(key) = &status.key_arn {
                reader.remember_key(parameter, status.version, key);
            }
        }
    }
}

fn is_selected(parameter: &ParameterRef, status: &ParameterStatus) -> bool {
    *parameter.arn == *status.arn
        && match &parameter.selector {
            None => status.label.is_none(),
            Some(Selector::Label(label)) => status.label.as_ref() == Some(label),
            Some(Selector::Version(version)) => status.version == *version,
        }
}
