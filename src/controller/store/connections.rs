//! The stores, each with its connection to AWS or with the fault that prevents it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::controller::{index::StoreKey, store::credential_health::CredentialHealth};
use crate::{
    api::AccessRule,
    aws::client::AwsApi,
    domain::{
        Fault,
        access::{grant::Grant, namespace::Namespace},
    },
    parameters::{ReadMode, Reader},
};

/// The connection of a store to AWS.
pub(crate) struct StoreConnection {
    /// Reads with the identity of the store.
    pub(crate) reader: Arc<Reader<AwsApi>>,
    /// What the store puts before every name and path; empty for nothing.
    pub(crate) prefix: String,
    /// The access rules. `None` for a namespaced store, where the identity of the store is the limit.
    pub(crate) access: Option<Vec<AccessRule>>,
    /// Store, account, region and credentials, for revisions. When it changes, everything is read again.
    pub(crate) source: String,
    /// Identity and region that the reader was opened with. The reader is replaced when they change.
    pub(crate) reader_key: String,
    /// How values are decrypted.
    pub(crate) mode: ReadMode,
    /// Interval at which unchanged values are decrypted again, to notice that access was withdrawn.
    pub(crate) revalidate: Option<Duration>,
    /// Whether AWS accepts the credentials.
    pub(crate) credential_health: CredentialHealth,
}

impl StoreConnection {
    /// Reports whether objects are served in the same way by both connections.
    pub(crate) fn serves_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reader, &other.reader)
            && (&self.prefix, &self.access) == (&other.prefix, &other.access)
            && (self.mode, self.revalidate) == (other.mode, other.revalidate)
    }

    /// Returns what the access rules grant to a namespace, or `None` for a namespaced store, which has no rules.
    ///
    /// # Errors
    /// The problem of a glob that is not valid, as a sentence.
    pub(crate) fn grant(&self, namespace: &Namespace) -> Result<Option<Grant>, String> {
        self.access.as_ref().map(|rules| Grant::new(rules, namespace)).transpose()
    }
}

/// A store's connection, or the fault that prevents it.
pub(crate) type Connected = Result<Arc<StoreConnection>, Fault>;

/// All stores that were reconciled and still exist.
#[derive(Default)]
pub(crate) struct StoreConnections {
    connections: Mutex<HashMap<StoreKey, Connected>>,
}

impl StoreConnections {
    /// Returns the connection of a store, or `None` if the store does not exist or was not reconciled yet.
    pub(crate) fn get(&self, store: &StoreKey) -> Option<Connected> {
        self.connections.lock().get(store).cloned()
    }

    /// Sets the connection of a store.
    pub(crate) fn set(&self, store: &StoreKey, connection: Connected) {
        self.connections.lock().insert(store.clone(), connection);
    }

    /// Removes a store that was deleted.
    pub(crate) fn remove(&self, store: &StoreKey) {
        self.connections.lock().remove(store);
    }

    /// Returns the keys of all stores.
    pub(crate) fn keys(&self) -> Vec<StoreKey> {
        self.connections.lock().keys().cloned().collect()
    }
}
