//! Finalizers of `SecureParameter`s, by server-side apply.

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::api::{SecureParameter, names};

/// Sets and removes the operator's finalizer.
#[derive(Clone)]
pub struct Finalizers {
    client: Client,
}

impl Finalizers {
    /// Uses this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes an object have the finalizer, or not have it. Answers whether the object is still there.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn set(&self, object: &SecureParameter, present: bool) -> Result<bool, kube::Error> {
        let meta = &object.metadata;
        let (namespace, name) =
            (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
        let finalizers: &[_] = if present { &[names::MERGE_FINALIZER] } else { &[] };
        let patch = json!({
            "apiVersion": format!("{}/{}", names::GROUP, names::VERSION),
            "kind": "SecureParameter",
            "metadata": {"name": name, "namespace": namespace, "uid": meta.uid, "finalizers": finalizers},
        });
        let api: Api<SecureParameter> = Api::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply(names::FIELD_MANAGER).force();
        match api.patch_metadata(name, &params, &Patch::Apply(&patch)).await {
            // Gone, or another of its name: with the uid nothing is created.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            other => other.map(|_| true),
        }
    }
}
