//! Stores of both kinds, as the commands see them.

use crate::{
    api::{AccessRule, ClusterParameterStore, ParameterStore, StoreKind, StoreStatus},
    domain::parameter::scope::Scope,
    kubernetes::listing::Listing,
};

/// A store of either kind.
#[derive(Clone, Copy)]
pub(super) struct Store<'a> {
    /// Its kind.
    pub(super) kind: StoreKind,
    /// Its namespace; `None` for a cluster store.
    pub(super) namespace: Option<&'a str>,
    /// Its name.
    pub(super) name: &'a str,
    /// Its prefix for names and paths; empty if it has none.
    pub(super) prefix: &'a str,
    /// The access rules; `None` for a namespaced store, which has none.
    pub(super) access: Option<&'a [AccessRule]>,
    /// What the operator reports on it.
    pub(super) status: Option<&'a StoreStatus>,
}

impl<'a> Store<'a> {
    /// Returns all stores of a listing, the cluster's first.
    pub(super) fn all(listing: &'a Listing) -> Vec<Self> {
        listing
            .cluster_stores
            .iter()
            .map(Self::of_cluster)
            .chain(listing.stores.iter().map(Self::of_namespace))
            .collect()
    }

    /// Returns a cluster store.
    pub(super) fn of_cluster(store: &'a ClusterParameterStore) -> Self {
        Self {
            kind: StoreKind::ClusterParameterStore,
            namespace: None,
            name: store.metadata.name.as_deref().unwrap_or_default(),
            prefix: store.spec.prefix.as_deref().unwrap_or_default(),
            access: Some(&store.spec.access),
            status: store.status.as_ref(),
        }
    }

    fn of_namespace(store: &'a ParameterStore) -> Self {
        Self {
            kind: StoreKind::ParameterStore,
            namespace: store.metadata.namespace.as_deref(),
            name: store.metadata.name.as_deref().unwrap_or_default(),
            prefix: store.spec.prefix.as_deref().unwrap_or_default(),
            access: None,
            status: store.status.as_ref(),
        }
    }

    /// Kind and name.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.name)
    }

    /// The place that the store reads from, once the operator has reported it.
    pub(super) fn scope(&self) -> Option<Scope> {
        let status = self.status?;
        let identity = status.identity.as_ref()?;
        Some(Scope {
            partition: identity.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region: status.region.clone()?,
            account: identity.account.clone(),
        })
    }
}
