//! Reads metadata of Secrets and writes them. The bytes of a Secret go out and never come back: every answer is
//! metadata only.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client,
    api::{DeleteParams, PartialObjectMeta, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};

use crate::kubernetes::secrets::{
    errors::{WriteError, classify},
    managed_fields::field_ownership,
};
use crate::{
    api::names,
    domain::{ownership::types::SecretMetadata, secret::content::Data},
};

/// A Secret as it should be.
pub struct Desired<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// The field manager that it is written as.
    pub manager: &'a str,
    /// Type; that of the Secret that is there, if `None`.
    pub type_: Option<&'a str>,
    /// Labels, ours included.
    pub labels: BTreeMap<String, String>,
    /// Annotations, ours included.
    pub annotations: BTreeMap<String, String>,
    /// Whether its data may change.
    pub immutable: bool,
    /// The owner for garbage collection; none if the Secret is to outlive it.
    pub owner: Option<OwnerReference>,
    /// Its data.
    pub data: Data<'a>,
}

/// The Secrets of the cluster.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// Uses this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Metadata of a Secret, if it exists, as it looks to who writes as `manager`.
    ///
    /// # Errors
    /// What the API server said.
    pub async fn facts(
        &self,
        namespace: &str,
        name: &str,
        manager: &str,
    ) -> Result<Option<SecretMetadata>, WriteError> {
        let found = self.api(namespace).get_metadata_opt(name).await;
        Ok(found.map_err(|error| classify(&error, None))?.map(|meta| facts(&meta.metadata, manager)))
    }

    /// All data of a Secret that others made: credentials of a store.
    ///
    /// # Errors
    /// What the API server said; `None` if there is no such Secret.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<Option<Secret>, WriteError> {
        self.api(namespace).get_opt(name).await.map_err(|error| classify(&error, None))
    }

    /// Creates a Secret, if there is none of its name. Not by POST: fields written by POST are not pruned by a later
    /// apply.
    ///
    /// # Errors
    /// See [`WriteError`]; `Replaced` if there is one, which is not touched then.
    pub async fn create(&self, desired: &Desired<'_>) -> Result<SecretMetadata, WriteError> {
        let mut manifest = manifest(desired, None);
        // An apply to what does not exist creates it whatever version it names, and to what exists it is refused unless
        // the version is that object's (registry store of the API server, `Store.Update`). None has this one: etcd
        // counts from 1, for the whole cluster, and is at 1 before anything is stored.
        manifest["metadata"]["resourceVersion"] = json!("1");
        match self.send(desired, manifest, false).await {
            Err(WriteError::Held(_)) => Err(WriteError::Replaced),
            other => other,
        }
    }

    /// Whether the API server would take a Secret like this: a dry run under a name that nobody has.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn would_take(&self, desired: &Desired<'_>) -> Result<(), WriteError> {
        let name = format!("dry-run-{}", uuid::Uuid::new_v4());
        let mut trial = manifest(desired, None);
        trial["metadata"]["name"] = Value::String(name.clone());
        let params = PatchParams { dry_run: true, ..PatchParams::apply(desired.manager) };
        let patched = self.api(desired.namespace).patch_metadata(&name, &params, &Patch::Apply(trial)).await;
        patched.map(drop).map_err(|error| classify(&error, Some(&desired.data)))
    }

    /// Writes a Secret that was judged ours, pinned to its uid.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn apply(&self, desired: &Desired<'_>, uid: &str) -> Result<SecretMetadata, WriteError> {
        let facts = self.send(desired, manifest(desired, Some(uid)), true).await?;
        let foreign: Vec<_> = facts.fields.foreign_keys().into_iter().map(str::to_owned).collect();
        if foreign.is_empty() {
            return Ok(facts);
        }
        // An apply cannot remove what others hold; the Secret is to be whole, so their keys go by a merge patch.
        let keys: serde_json::Map<_, _> = foreign.into_iter().map(|key| (key, Value::Null)).collect();
        let patch = json!({"metadata": {"uid": uid}, "data": keys});
        self.merge(desired.namespace, desired.name, &patch).await
    }

    /// Puts keys into a Secret of others that was judged to consent, pinned to its uid. Keys that others hold are taken
    /// from them only by force, and only if the Secret still has the resource version that was judged.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn put_keys(
        &self,
        desired: &Desired<'_>,
        uid: &str,
        by_force: Option<&str>,
    ) -> Result<SecretMetadata, WriteError> {
        let mut manifest = manifest(desired, Some(uid));
        if let Some(version) = by_force {
            manifest["metadata"]["resourceVersion"] = json!(version);
        }
        self.send(desired, manifest, by_force.is_some()).await
    }

    /// Takes back every field that an apply as `manager` set: nothing is left of it. A Secret that is gone is no error.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn withdraw(&self, namespace: &str, name: &str, uid: &str, manager: &str) -> Result<(), WriteError> {
        let empty = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
        });
        let params = PatchParams::apply(manager).force();
        let patched = self.api(namespace).patch_metadata(name, &params, &Patch::Apply(&empty)).await;
        match patched.map_err(|error| classify(&error, None)) {
            Ok(_) | Err(WriteError::Replaced) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets go of a Secret that stays: it keeps its data and the annotation with the object's name, so that an object of
    /// that name may have it back.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn release(&self, namespace: &str, name: &str, uid: &str) -> Result<(), WriteError> {
        let patch = json!({"metadata": {
            "uid": uid,
            "labels": {names::OWNER_UID_LABEL: null},
            "ownerReferences": null,
        }});
        match self.merge(namespace, name, &patch).await {
            Ok(_) | Err(WriteError::Replaced) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes a Secret, pinned to its uid. One that is gone already is no error.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<(), WriteError> {
        let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::background() };
        match self.api(namespace).delete(name, &params).await.map_err(|error| classify(&error, None)) {
            Ok(_) | Err(WriteError::Replaced) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send(&self, desired: &Desired<'_>, manifest: Value, force: bool) -> Result<SecretMetadata, WriteError> {
        let params = PatchParams { force, ..PatchParams::apply(desired.manager) };
        let patch = Patch::Apply(manifest);
        let patched = self.api(desired.namespace).patch_metadata(desired.name, &params, &patch).await;
        patched
            .map(|meta| facts(&meta.metadata, desired.manager))
            .map_err(|error| classify(&error, Some(&desired.data)))
    }

    async fn merge(&self, namespace: &str, name: &str, patch: &Value) -> Result<SecretMetadata, WriteError> {
        let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.api(namespace).patch_metadata(name, &params, &Patch::Merge(patch)).await;
        let ours = names::FIELD_MANAGER;
        patched.map(|meta| facts(&meta.metadata, ours)).map_err(|error| classify(&error, None))
    }

    fn api(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

fn manifest(desired: &Desired<'_>, uid: Option<&str>) -> Value {
    let data: BTreeMap<_, _> =
        desired.data.iter().map(|(key, value)| (key.as_ref(), BASE64.encode(value.bytes()))).collect();
    let some = |map: &BTreeMap<_, _>| Some(map.clone()).filter(|map| !map.is_empty());
    let metadata = ObjectMeta {
        name: Some(desired.name.to_owned()),
        namespace: Some(desired.namespace.to_owned()),
        uid: uid.map(str::to_owned),
        labels: some(&desired.labels),
        annotations: some(&desired.annotations),
        owner_references: desired.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    let mut manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
    if let Some(type_) = desired.type_ {
        manifest["type"] = json!(type_);
    }
    if desired.immutable {
        manifest["immutable"] = json!(true);
    }
    manifest
}

/// What ownership needs of a Secret's metadata; `manager` is whom we write as.
fn facts(meta: &ObjectMeta, manager: &str) -> SecretMetadata {
    let label = |key: &str| meta.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|annotations| annotations.get(key)).cloned();
    let controller = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    SecretMetadata {
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
        owner_uid: label(names::OWNER_UID_LABEL),
        owner: annotation(names::OWNER_ANNOTATION),
        allow: annotation(names::ALLOW_ANNOTATION),
        controller: controller.map(|owner| format!("{} {}", owner.kind, owner.name)),
        deleting: meta.deletion_timestamp.is_some(),
        fields: field_ownership(meta.managed_fields.as_deref().unwrap_or_default(), manager),
    }
}

/// Kept small on purpose: the watch of Secrets needs these parts of their metadata and nothing else.
pub fn prune(meta: &mut PartialObjectMeta<Secret>) {
    meta.metadata.managed_fields = None;
    meta.metadata.owner_references = None;
    meta.metadata.finalizers = None;
    if let Some(labels) = &mut meta.metadata.labels {
        labels.retain(|key, _| key == names::OWNER_UID_LABEL);
    }
    if let Some(annotations) = &mut meta.metadata.annotations {
        annotations.retain(|key, _| key == names::OWNER_ANNOTATION);
    }
}
