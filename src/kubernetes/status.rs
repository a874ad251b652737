//! Writes status by server-side apply. The apply is forced, since the operator is the only writer of status.

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::api::{ClusterParameterStore, ParameterStore, SecureParameter, SecureParameterStatus, StoreStatus, names};

/// Writes the status of all kinds.
#[derive(Clone)]
pub(crate) struct Statuses {
    client: Client,
}

impl Statuses {
    /// Creates the writer on top of `client`.
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes the status of a `SecureParameter`. Returns the object's new resource version, or `None` if it no longer
    /// exists.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub(crate) async fn secure_parameter(
        &self,
        namespace: &str,
        name: &str,
        status: &SecureParameterStatus,
    ) -> Result<Option<String>, kube::Error> {
        patch(&self.namespaced::<SecureParameter>(namespace), name, status).await
    }

    /// Writes the status of a `ClusterParameterStore`. Returns the same.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub(crate) async fn cluster_store(&self, name: &str, status: &StoreStatus) -> Result<Option<String>, kube::Error> {
        patch(&Api::<ClusterParameterStore>::all(self.client.clone()), name, status).await
    }

    /// Writes the status of a `ParameterStore`. Returns the same.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub(crate) async fn store(
        &self,
        namespace: &str,
        name: &str,
        status: &StoreStatus,
    ) -> Result<Option<String>, kube::Error> {
        patch(&self.namespaced::<ParameterStore>(namespace), name, status).await
    }

    fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

async fn patch<K, S>(api: &Api<K>, name: &str, status: &S) -> Result<Option<String>, kube::Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + Sync,
{
    let patch = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": status});
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(&patch)).await {
        // The object was deleted in the meantime.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        other => Ok(other?.meta().resource_version.clone()),
    }
}
