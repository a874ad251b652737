//! Both kinds of stores as one type.

use std::time::Duration;

use kube::ResourceExt;

use crate::controller::index::StoreKey;
use crate::{
    api::{
        AccessRule, ClusterParameterStore, DEFAULT_REVALIDATE_INTERVAL, Decryption, Endpoints, Interval,
        ParameterStore, StoreStatus,
    },
    domain::{Fault, audit::ObjectRef, identity::store_identity::StoreIdentity},
    parameters::ReadMode,
};

/// A store of either kind.
#[derive(Clone, Debug)]
pub(crate) struct StoreObject {
    /// Kind, namespace and name.
    pub(crate) key: StoreKey,
    /// uid.
    pub(crate) uid: String,
    /// `metadata.generation`.
    pub(crate) generation: Option<i64>,
    /// `metadata.resourceVersion`.
    pub(crate) resource_version: Option<String>,
    /// `spec.region`.
    pub(crate) region: Option<String>,
    /// As whom it reads.
    ///
    /// # Errors
    /// The fault of a spec that does not say so.
    pub(crate) identity: Result<StoreIdentity, Fault>,
    /// `spec.fips`.
    pub(crate) fips: Option<bool>,
    /// `spec.dualStack`.
    pub(crate) dual_stack: Option<bool>,
    /// `spec.endpoints`. `None` for a namespaced store.
    pub(crate) endpoints: Option<Endpoints>,
    /// What the store puts before every name and path; empty for nothing.
    pub(crate) prefix: String,
    /// The access rules. `None` for a namespaced store.
    pub(crate) access: Option<Vec<AccessRule>>,
    /// `spec.quota.requestsPerSecond`.
    pub(crate) quota: Option<i32>,
    /// How values are decrypted.
    pub(crate) mode: ReadMode,
    /// Interval at which unchanged values are decrypted again. `None` turns that off.
    pub(crate) revalidate: Option<Duration>,
    /// The status as the cache shows it.
    pub(crate) status: StoreStatus,
}

impl StoreObject {
    /// Returns namespace and name of the Secret with its credentials, if there is one.
    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        self.identity.as_ref().ok()?.secret()
    }

    /// Returns the store as audit records name it.
    pub(crate) fn audit_ref(&self) -> ObjectRef {
        ObjectRef {
            kind: self.key.kind.as_str(),
            namespace: self.key.namespace.as_deref().map(Into::into),
            name: self.key.name.as_str().into(),
            uid: self.uid.as_str().into(),
            secret: None,
            reason: "",
        }
    }
}

impl From<&ClusterParameterStore> for StoreObject {
    fn from(store: &ClusterParameterStore) -> Self {
        Self {
            key: StoreKey::cluster(store),
            uid: store.uid().unwrap_or_default(),
            generation: store.metadata.generation,
            resource_version: store.resource_version(),
            region: store.spec.region.clone(),
            identity: Ok(StoreIdentity::of_cluster_store(store.spec.identity.as_ref())),
            fips: store.spec.fips,
            dual_stack: store.spec.dual_stack,
            endpoints: store.spec.endpoints.clone(),
            prefix: store.spec.prefix.clone().unwrap_or_default(),
            access: Some(store.spec.access.clone()),
            quota: store.spec.quota.map(|quota| quota.requests_per_second),
            mode: mode(store.spec.decryption),
            revalidate: revalidate(store.spec.revalidate_interval.as_ref()),
            status: store.status.clone().unwrap_or_default(),
        }
    }
}

impl From<&ParameterStore> for StoreObject {
    fn from(store: &ParameterStore) -> Self {
        let namespace = store.namespace().unwrap_or_default();
        Self {
            key: StoreKey::namespaced(store),
            uid: store.uid().unwrap_or_default(),
            generation: store.metadata.generation,
            resource_version: store.resource_version(),
            region: store.spec.region.clone(),
            identity: StoreIdentity::of_store(&namespace, &store.spec.identity),
            fips: store.spec.fips,
            dual_stack: store.spec.dual_stack,
            endpoints: None,
            prefix: store.spec.prefix.clone().unwrap_or_default(),
            access: None,
            quota: None,
            mode: mode(store.spec.decryption),
            revalidate: revalidate(store.spec.revalidate_interval.as_ref()),
            status: store.status.clone().unwrap_or_default(),
        }
    }
}

const fn mode(decryption: Option<Decryption>) -> ReadMode {
    match decryption {
        Some(Decryption::Direct) => ReadMode::Ciphertext,
        Some(Decryption::ViaSsm) | None => ReadMode::Decrypt,
    }
}

fn revalidate(interval: Option<&Interval>) -> Option<Duration> {
    let interval = interval.map_or(DEFAULT_REVALIDATE_INTERVAL, |interval| interval.parse().unwrap_or_default());
    (!interval.is_zero()).then_some(interval)
}
