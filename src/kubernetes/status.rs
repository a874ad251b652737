//! Writes status, by server-side apply: the operator is its only writer.

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::api::{ClusterParameterStore, ParameterStore, SecureParameter, SecureParameterStatus, StoreStatus, names};

/// Writes status of all kinds.
#[derive(Clone)]
pub struct Statuses {
    client: Client,
}

impl Statuses {
    /// Uses this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes the status of a `SecureParameter`. Answers with the object's resource version after that; none if the
    /// object is gone.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn secure_parameter(
        &self,
        namespace: &str,
        name: &str,
        status: &SecureParameterStatus,
    ) -> Result<Option<String>, kube::Error> {
        let patched = patch(&self.namespaced::<SecureParameter>(namespace), name, status).await?;
        Ok(patched.and_then(|object| object.metadata.resource_version))
    }

    /// Writes the status of a `ClusterParameterStore`.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn cluster_store(&self, name: &str, status: &StoreStatus) -> Result<(), kube::Error> {
        patch(&Api::<ClusterParameterStore>::all(self.client.clone()), name, status).await.map(drop)
    }

    /// Writes the status of a `ParameterStore`.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn store(&self, namespace: &str, name: &str, status: &StoreStatus) -> Result<(), kube::Error> {
        patch(&self.namespaced::<ParameterStore>(namespace), name, status).await.map(drop)
    }

    fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

async fn patch<K, S>(api: &Api<K>, name: &str, status: &S) -> Result<Option<K>, kube::Error>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + Sync,
{
    let patch = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": status});
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(&patch)).await {
        // The object went in the meantime: nobody is left to tell.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        other => other.map(Some),
    }
}
