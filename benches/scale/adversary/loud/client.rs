//! Requests of the loud namespace. None of them may end the scenario, so each is counted by its result instead.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use secure_parameter_operator::api::{ParameterStore, SecureParameter};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::NAMESPACE;

/// A client that counts.
pub struct Client {
    client: kube::Client,
    counts: Mutex<BTreeMap<&'static str, usize>>,
}

impl Client {
    /// Counts the requests that are made through this client.
    pub fn new(client: kube::Client) -> Self {
        Self { client, counts: Mutex::default() }
    }

    /// Requests so far by kind, those that failed among `failed`.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates a `SecureParameter`.
    pub async fn create_object(&self, manifest: Value) {
        self.create::<SecureParameter>("objects created", manifest).await;
    }

    /// Creates a `ParameterStore`.
    pub async fn create_store(&self, manifest: Value) {
        self.create::<ParameterStore>("stores created", manifest).await;
    }

    /// Creates a Secret.
    pub async fn create_secret(&self, manifest: Value) {
        self.create::<Secret>("Secrets created", manifest).await;
    }

    /// Annotates a Secret.
    pub async fn annotate_secret(&self, name: &str, turn: usize) {
        let patch = json!({"metadata": {"annotations": {"example.com/turn": turn.to_string()}}});
        let patched = self.api::<Secret>().patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        self.count("Secrets annotated", patched.is_ok());
    }

    /// Replaces the spec of a `SecureParameter` by that of the manifest.
    pub async fn change_object(&self, manifest: &Value) {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        let patch = json!({"spec": manifest["spec"]});
        let patched = self.api::<SecureParameter>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        self.count("specs changed", patched.is_ok());
    }

    /// Deletes a `SecureParameter`.
    pub async fn delete_object(&self, name: &str) {
        let deleted = self.api::<SecureParameter>().delete(name, &DeleteParams::default()).await;
        self.count("objects deleted", deleted.is_ok());
    }

    async fn create<K>(&self, what: &'static str, manifest: Value)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let created = match serde_json::from_value::<K>(manifest) {
            Ok(object) => self.api::<K>().create(&PostParams::default(), &object).await.is_ok(),
            Err(_) => false,
        };
        self.count(what, created);
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    fn count(&self, what: &'static str, succeeded: bool) {
        let what = if succeeded { what } else { "failed" };
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }
}
