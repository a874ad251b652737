//! Sets and removes the finalizer of `SecureParameter`s, by server-side apply.

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::api::{SecureParameter, names};

/// Writes finalizers.
#[derive(Clone)]
pub(crate) struct Finalizers {
    client: Client,
}

impl Finalizers {
    /// Creates the writer on top of `client`.
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sets or removes the operator's finalizer. Returns whether the object still exists.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub(crate) async fn set(&self, object: &SecureParameter, present: bool) -> Result<bool, kube::Error> {
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
            // Deleted, or replaced by another object of that name. The uid keeps the apply from creating one.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            other => other.map(|_| true),
        }
    }
}
