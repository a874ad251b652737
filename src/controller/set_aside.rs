//! Objects and stores that are not reconciled until they change, because a reconcile of them panicked.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;

use crate::domain::Fault;

/// Kind, namespace and name of an object or store.
type Key = (String, Option<String>, String);

/// An object or store that is about to be reconciled.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Its kind.
    pub(crate) kind: &'static str,
    /// Its namespace; none for a cluster store.
    pub(crate) namespace: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// Digest of what has to change before it is tried again.
    version: u64,
}

impl Subject {
    /// Returns the object of this kind with this metadata.
    pub(crate) fn new(kind: &'static str, meta: &ObjectMeta) -> Self {
        let mut hasher = DefaultHasher::new();
        (&meta.uid, meta.generation, &meta.annotations, meta.deletion_timestamp.is_some()).hash(&mut hasher);
        let name = meta.name.clone().unwrap_or_default();
        Self { kind, namespace: meta.namespace.clone(), name, version: hasher.finish() }
    }

    fn key(&self) -> Key {
        (self.kind.to_owned(), self.namespace.clone(), self.name.clone())
    }
}

/// Whether a subject may be reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may.
    Free,
    /// It is set aside, and does not show this fault yet.
    Unreported(Fault),
    /// It is set aside, and shows why.
    SetAside,
}

#[derive(Debug)]
struct Entry {
    version: u64,
    /// The fault, until it is reported.
    unreported: Option<Fault>,
}

/// The subjects that are set aside. Memory only: a new process tries each once.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    entries: Mutex<HashMap<Key, Entry>>,
}

impl SetAside {
    /// Returns whether a subject may be reconciled. One that has changed may, and is no longer set aside.
    pub(crate) fn standing(&self, subject: &Subject) -> Standing {
        let mut entries = self.entries.lock();
        if entries.is_empty() {
            return Standing::Free;
        }
        match entries.get(&subject.key()) {
            Some(entry) if entry.version == subject.version => {
                entry.unreported.clone().map_or(Standing::SetAside, Standing::Unreported)
            }
            Some(_) => {
                entries.remove(&subject.key());
                Standing::Free
            }
            None => Standing::Free,
        }
    }

    /// Sets a subject aside because of this fault.
    pub(crate) fn add(&self, subject: &Subject, fault: Fault) {
        let entry = Entry { version: subject.version, unreported: Some(fault) };
        self.entries.lock().insert(subject.key(), entry);
    }

    /// Notes that the subject shows its fault.
    pub(crate) fn reported(&self, subject: &Subject) {
        if let Some(entry) = self.entries.lock().get_mut(&subject.key()) {
            entry.unreported = None;
        }
    }

    /// Forgets a subject that was deleted.
    pub(crate) fn forget(&self, kind: &str, namespace: Option<&str>, name: &str) {
        let mut entries = self.entries.lock();
        if !entries.is_empty() {
            entries.remove(&(kind.to_owned(), namespace.map(str::to_owned), name.to_owned()));
        }
    }
}
