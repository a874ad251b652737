//! The stores, each with its connection to AWS or with the fault that prevents it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use crate::controller::{
    index::StoreKey,
    store::{fault::StoreFault, sessions::Sessions, source::LoadedSource},
};
use crate::{
    api::AccessRule,
    domain::{
        access::{grant::Grant, namespace::Namespace},
        identity::store_identity::CredentialSource,
    },
    parameters::ReadMode,
};

/// The connection of a store to AWS.
pub(crate) struct StoreConnection {
    /// The sessions that it reads in.
    pub(crate) sessions: Sessions,
    /// What the store puts before every name and path; empty for nothing.
    pub(crate) prefix: String,
    /// The access rules. `None` for a namespaced store, where the identity of the store is the limit.
    pub(crate) access: Option<Vec<AccessRule>>,
    /// What the rules grant, compiled.
    pub(crate) grants: Grants,
    /// Store, account, region and credentials, for revisions. When it changes, everything is read again.
    pub(crate) source: String,
    /// How values are decrypted.
    pub(crate) mode: ReadMode,
    /// Interval at which unchanged values are decrypted again, to notice that access was withdrawn.
    pub(crate) revalidate: Option<Duration>,
    /// Where its first credentials come from, and what was found there.
    pub(crate) credentials: (CredentialSource, LoadedSource),
}

impl StoreConnection {
    /// Reports whether objects are served in the same way by both connections.
    pub(crate) fn serves_like(&self, other: &Self) -> bool {
        self.sessions.is_same(&other.sessions)
            && (&self.prefix, &self.access) == (&other.prefix, &other.access)
            && (self.mode, self.revalidate) == (other.mode, other.revalidate)
    }

    /// Reports whether the annotations of a ServiceAccount say which role it reads as. Nobody watches them.
    pub(crate) const fn follows_service_account(&self) -> bool {
        matches!(self.credentials.0, CredentialSource::ServiceAccount { .. })
    }

    /// Returns what the access rules grant to a namespace, or `None` for a namespaced store, which has no rules.
    ///
    /// # Errors
    /// The problem of a glob that is not valid, as a sentence.
    pub(crate) fn grant(&self, namespace: &Namespace) -> Result<Option<Arc<Grant>>, String> {
        self.access.as_ref().map(|rules| self.grants.get(rules, namespace)).transpose()
    }
}

/// What the rules of one store grant to each namespace, compiled, for as long as an object uses it.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    by_namespace: Mutex<HashMap<String, (Namespace, Weak<Grant>)>>,
}

impl Grants {
    /// Returns what the rules grant to a namespace with its present labels.
    fn get(&self, rules: &[AccessRule], namespace: &Namespace) -> Result<Arc<Grant>, String> {
        let mut grants = self.by_namespace.lock();
        let known = grants.get(&namespace.name).filter(|(known, _)| known == namespace);
        if let Some(grant) = known.and_then(|(_, grant)| grant.upgrade()) {
            return Ok(grant);
        }
        let grant = Arc::new(Grant::new(rules, namespace)?);
        if grants.len() == grants.capacity() {
            // Before the map grows; so this costs no more than the growth does.
            grants.retain(|_, (_, grant)| grant.strong_count() > 0);
        }
        grants.insert(namespace.name.clone(), (namespace.clone(), Arc::downgrade(&grant)));
        Ok(grant)
    }
}

/// A store's connection, or the fault that prevents it.
pub(crate) type Connected = Result<Arc<StoreConnection>, StoreFault>;

/// All stores that were reconciled and still exist, each with its connection. Generic in the connection for tests.
pub(crate) struct StoreConnections<C = Connected> {
    stores: Mutex<HashMap<StoreKey, Store<C>>>,
}

/// A store, as it was when its connection was opened.
struct Store<C> {
    uid: String,
    connection: C,
}

impl<C> Default for StoreConnections<C> {
    fn default() -> Self {
        Self { stores: Mutex::default() }
    }
}

impl<C: Clone> StoreConnections<C> {
    /// Returns the connection of a store, or `None` if the store does not exist or was not reconciled yet.
    pub(crate) fn get(&self, store: &StoreKey) -> Option<C> {
        self.stores.lock().get(store).map(|store| store.connection.clone())
    }

    /// Sets the connection of a store, if `is_current` says that the store still exists as it was when the connection was
    /// opened: AWS may have taken its time. Returns whether it did.
    ///
    /// No store is removed while `is_current` runs. A store that leaves the cache is removed afterwards, so that nothing is
    /// left of it, whichever comes first.
    pub(crate) fn set(&self, store: &StoreKey, uid: &str, connection: C, is_current: impl FnOnce() -> bool) -> bool {
        let mut stores = self.stores.lock();
        let is_current = is_current();
        if is_current {
            stores.insert(store.clone(), Store { uid: uid.to_owned(), connection });
        }
        is_current
    }

    /// Removes a store that was deleted. Leaves another one alone that has its name by now. Returns whether it removed one.
    pub(crate) fn remove(&self, store: &StoreKey, uid: &str) -> bool {
        let mut stores = self.stores.lock();
        let is_this_one = stores.get(store).is_some_and(|store| store.uid == uid);
        if is_this_one {
            stores.remove(store);
        }
        is_this_one
    }

    /// Returns the uid of the store with this key.
    pub(crate) fn uid(&self, store: &StoreKey) -> Option<String> {
        self.stores.lock().get(store).map(|store| store.uid.clone())
    }

    /// Returns the keys and uids of all stores.
    pub(crate) fn all(&self) -> Vec<(StoreKey, String)> {
        self.stores.lock().iter().map(|(key, store)| (key.clone(), store.uid.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{NamespaceMatch, NamespacesFrom, StoreKind};

    fn key() -> StoreKey {
        StoreKey { kind: StoreKind::ClusterParameterStore, namespace: None, name: "default".to_owned() }
    }

    #[test]
    fn a_connection_that_opens_after_its_store_was_deleted_is_not_kept() {
        let (stores, key) = (StoreConnections::<u8>::default(), key());
        assert!(!stores.remove(&key, "one"));
        assert!(!stores.set(&key, "one", 1, || false));
        assert_eq!(stores.get(&key), None);
        assert!(stores.set(&key, "two", 2, || true));
        assert_eq!((stores.get(&key), stores.uid(&key).as_deref()), (Some(2), Some("two")));
        assert!(!stores.set(&key, "one", 1, || false), "the predecessor of that name");
        assert_eq!(stores.get(&key), Some(2));
    }

    #[test]
    fn a_deletion_that_arrives_late_leaves_the_successor_alone() {
        let (stores, key) = (StoreConnections::<u8>::default(), key());
        stores.set(&key, "two", 2, || true);
        assert!(!stores.remove(&key, "one"));
        assert_eq!(stores.all(), [(key.clone(), "two".to_owned())]);
        assert!(stores.remove(&key, "two"));
        assert!(stores.all().is_empty());
    }

    #[test]
    fn a_grant_is_compiled_once_for_a_namespace_and_its_labels() {
        let namespaces = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
        let rules = [AccessRule { namespaces, parameters: vec!["/**".into()], ..AccessRule::default() }];
        let namespace = |number: usize| Namespace { name: number.to_string(), ..Namespace::default() };
        let grants = Grants::default();
        let get = |namespace: &Namespace| grants.get(&rules, namespace).expect("valid globs");
        let first = get(&namespace(0));
        assert!(Arc::ptr_eq(&first, &get(&namespace(0))));
        let labelled = Namespace { labels: [("a".to_owned(), "b".to_owned())].into(), ..namespace(0) };
        assert!(!Arc::ptr_eq(&first, &get(&labelled)));
        for number in 1..1_000 {
            drop(get(&namespace(number)));
        }
        assert!(grants.by_namespace.lock().len() < 10, "what no object uses is forgotten");
    }
}
