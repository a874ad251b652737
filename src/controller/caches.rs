//! The caches that the watches fill.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    ResourceExt,
    api::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};

use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter},
    controller::index::StoreKey,
    domain::access::namespace,
    kubernetes::{
        owned_secrets::OwnedSecrets,
        scope::Scope,
        watches::{Flag, Watches},
    },
};

/// Caches of the objects that a reconcile looks up.
#[derive(Clone)]
pub(crate) struct Caches {
    /// The objects.
    pub(crate) objects: Store<SecureParameter>,
    /// Cluster stores.
    pub(crate) cluster_stores: Store<ClusterParameterStore>,
    /// Namespaced stores.
    pub(crate) stores: Store<ParameterStore>,
    /// Metadata of namespaces.
    pub(crate) namespaces: Store<PartialObjectMeta<Namespace>>,
    /// The Secrets that the operator owns.
    pub(crate) secrets: OwnedSecrets,
    /// The namespaces that the operator works in.
    pub(crate) scope: Scope,
    /// Whether it may not list cluster stores, so that their cache is empty.
    pub(crate) without_cluster_stores: Flag,
    without_namespaces: Flag,
}

impl Caches {
    /// Returns the caches of these watches.
    pub(crate) fn of(watches: &Watches) -> Self {
        Self {
            objects: watches.secure_parameters.store.clone(),
            cluster_stores: watches.cluster_stores.store.clone(),
            stores: watches.stores.store.clone(),
            namespaces: watches.namespaces.store.clone(),
            secrets: watches.secrets.secrets.clone(),
            scope: watches.scope.clone(),
            without_cluster_stores: watches.without_cluster_stores.clone(),
            without_namespaces: watches.without_namespaces.clone(),
        }
    }

    /// Waits until each cache holds a complete list. Returns false if one never will, because the process ends.
    ///
    /// Only one task may wait here, because kube wakes only one of several that wait for the same cache. All others wait
    /// for `Context::caches_ready`.
    pub(crate) async fn wait_until_ready(&self) -> bool {
        let ready = tokio::join!(
            self.cluster_stores.wait_until_ready(),
            self.stores.wait_until_ready(),
            self.namespaces.wait_until_ready(),
            self.secrets.wait_until_ready(),
        );
        matches!(ready, (Ok(()), Ok(()), Ok(()), ()))
    }

    /// Returns the uid of a store, or `None` if it does not exist.
    pub(crate) fn store_uid(&self, key: &StoreKey) -> Option<String> {
        match &key.namespace {
            Some(namespace) => self.stores.get(&ObjectRef::new(&key.name).within(namespace))?.uid(),
            None => self.cluster_stores.get(&ObjectRef::new(&key.name))?.uid(),
        }
    }

    /// Returns a namespace as access rules see it, or `None` if it does not exist or is being deleted. Where the operator may
    /// not list namespaces, those that it works in count as existing, without labels.
    pub(crate) fn namespace(&self, name: &str) -> Option<namespace::Namespace> {
        let Some(namespace) = self.namespaces.get(&ObjectRef::new(name)) else {
            let is_assumed = self.without_namespaces.is_set() && self.scope.contains(name);
            return is_assumed.then(|| namespace::Namespace {
                name: name.to_owned(),
                is_hidden: true,
                ..namespace::Namespace::default()
            });
        };
        namespace.metadata.deletion_timestamp.is_none().then(|| namespace::Namespace {
            name: name.to_owned(),
            labels: namespace.metadata.labels.clone().unwrap_or_default(),
            is_hidden: false,
        })
    }
}
