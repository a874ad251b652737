//! Writes Secrets, by server-side apply where a Secret is written and by merge patch where fields are removed. Every
//! write is pinned to the uid that was checked, and the API server answers with metadata only: the bytes that were
//! written never come back.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use crate::kubernetes::secrets::{
    errors::{SecretError, classify},
    hand_over::{Heir, handed_over},
    read::{Secrets, secret_metadata},
};
use crate::{
    api::names,
    domain::{ownership::types::SecretMetadata, secret::content::Data},
};

/// A Secret as it should be.
pub(crate) struct DesiredSecret<'a> {
    /// Namespace.
    pub(crate) namespace: &'a str,
    /// Name.
    pub(crate) name: &'a str,
    /// The field manager that applies it.
    pub(crate) manager: &'a str,
    /// Type. `None` leaves the type of the existing Secret as it is.
    pub(crate) type_: Option<&'a str>,
    /// Labels, the operator's own included.
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations, the operator's own included.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Sets `immutable: true`.
    pub(crate) immutable: bool,
    /// The owner for garbage collection. `None` if the Secret should outlive its owner.
    pub(crate) owner: Option<OwnerReference>,
    /// Keys and values.
    pub(crate) data: Data<'a>,
}

impl Secrets {
    /// Creates a Secret. Uses apply rather than POST, because a later apply does not prune fields that POST has set.
    ///
    /// # Errors
    /// See [`SecretError`]. `Replaced` if a Secret of this name exists; it is left unchanged.
    pub(crate) async fn create(&self, desired: &DesiredSecret<'_>) -> Result<SecretMetadata, SecretError> {
        let mut manifest = manifest(desired, None);
        // If no object exists, an apply creates it and ignores the resource version. If one exists, the apply is refused
        // unless the versions match (registry store of the API server, `Store.Update`). No object has version 1: etcd
        // starts at 1 before anything is stored.
        manifest["metadata"]["resourceVersion"] = json!("1");
        match self.send(desired, manifest, false).await {
            Err(SecretError::FieldConflict(_)) => Err(SecretError::Replaced),
            other => other,
        }
    }

    /// Checks that the API server would accept a Secret like this, by a dry run under a name that does not exist.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub(crate) async fn dry_run_create(&self, desired: &DesiredSecret<'_>) -> Result<(), SecretError> {
        let name = format!("dry-run-{}", uuid::Uuid::new_v4());
        let mut trial = manifest(desired, None);
        trial["metadata"]["name"] = Value::String(name.clone());
        let params = PatchParams { dry_run: true, ..PatchParams::apply(desired.manager) };
        let patched = self.api(desired.namespace).patch_metadata(&name, &params, &Patch::Apply(trial)).await;
        patched.map(drop).map_err(|error| classify(&error, Some(&desired.data)))
    }

    /// Writes a Secret that the operator owns, and removes keys that others added. Without an owner, removes our owner reference
    /// too.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub(crate) async fn apply(&self, desired: &DesiredSecret<'_>, uid: &str) -> Result<SecretMetadata, SecretError> {
        let written = self.send(desired, manifest(desired, Some(uid)), true).await?;
        // An apply does not remove fields that other managers own, nor the owner reference that the merge patch of
        // `take_over` has set.
        let keys: serde_json::Map<_, _> =
            written.fields.foreign_keys().into_iter().map(|key| (key.to_owned(), Value::Null)).collect();
        let owner_uid = written.owner_uid.as_deref().filter(|_| desired.owner.is_none());
        let owner = written.controller.as_ref().filter(|controller| Some(&*controller.uid) == owner_uid);
        if keys.is_empty() && owner.is_none() {
            return Ok(written);
        }
        let mut patch = json!({"metadata": {"uid": uid}, "data": keys});
        if let Some(owner) = owner {
            patch["metadata"]["ownerReferences"] = json!([{"$patch": "delete", "uid": owner.uid}]);
        }
        self.patch(desired.namespace, desired.name, &Patch::Strategic(patch)).await
    }

    /// Ends what others own of a Secret that is handed over, in one patch: their controller references, what they own of its
    /// data and type, and the marks of an operator that would act on the Secret by them. Makes the Secret the object's, and the
    /// wanted keys those of our field manager. Other keys stay theirs. Whatever the next [`Self::apply`] no longer wants, it
    /// removes. Returns the resource version after that.
    ///
    /// # Errors
    /// See [`SecretError`]. `Replaced` if the Secret is not as it was when it was judged.
    pub(crate) async fn take_over(
        &self,
        desired: &DesiredSecret<'_>,
        uid: &str,
        resource_version: &str,
    ) -> Result<String, SecretError> {
        let found = self.api(desired.namespace).get_metadata_opt(desired.name).await;
        let found = found.map_err(|error| classify(&error, None))?.ok_or(SecretError::Replaced)?;
        if found.metadata.resource_version.as_deref() != Some(resource_version) {
            return Err(SecretError::Replaced);
        }
        let heir = Heir {
            manager: desired.manager,
            owner: desired.owner.as_ref(),
            labels: &desired.labels,
            annotations: &desired.annotations,
            is_wanted: |key: &str| desired.data.contains_key(key),
        };
        let patch = json!({"metadata": handed_over(&found.metadata, uid, heir)});
        Ok(self.merge(desired.namespace, desired.name, patch).await?.resource_version)
    }

    /// Writes keys into a Secret that others own and that consents to it. With `force_at`, takes over keys that other
    /// managers own, but only while the Secret still has that resource version.
    ///
    /// # Errors
    /// See [`SecretError`]. `FieldConflict` if others own a key and `force_at` is `None`.
    pub(crate) async fn apply_keys(
        &self,
        desired: &DesiredSecret<'_>,
        uid: &str,
        force_at: Option<&str>,
    ) -> Result<SecretMetadata, SecretError> {
        let mut manifest = manifest(desired, Some(uid));
        if let Some(version) = force_at {
            manifest["metadata"]["resourceVersion"] = json!(version);
        }
        self.send(desired, manifest, force_at.is_some()).await
    }

    /// Removes every field that `manager` applied. Succeeds if the Secret no longer exists.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub(crate) async fn remove_applied(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        manager: &str,
    ) -> Result<(), SecretError> {
        let empty = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
        });
        let params = PatchParams::apply(manager).force();
        let patched = self.api(namespace).patch_metadata(name, &params, &Patch::Apply(&empty)).await;
        unless_gone(patched.map(drop).map_err(|error| classify(&error, None)))
    }

    /// Gives up ownership of a Secret. It keeps its data and the annotation with the object's name, so that a later
    /// object of that name can adopt it. Succeeds if the Secret no longer exists.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub(crate) async fn release(&self, namespace: &str, name: &str, uid: &str) -> Result<(), SecretError> {
        let patch = json!({"metadata": {
            "uid": uid,
            "labels": {names::OWNER_UID_LABEL: null},
            "ownerReferences": null,
        }});
        unless_gone(self.merge(namespace, name, patch).await.map(drop))
    }

    /// Deletes a Secret. Succeeds if it no longer exists.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub(crate) async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<(), SecretError> {
        let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::background() };
        let deleted = self.api(namespace).delete(name, &params).await;
        unless_gone(deleted.map(drop).map_err(|error| classify(&error, None)))
    }

    async fn send(
        &self,
        desired: &DesiredSecret<'_>,
        manifest: Value,
        force: bool,
    ) -> Result<SecretMetadata, SecretError> {
        let params = PatchParams { force, ..PatchParams::apply(desired.manager) };
        let patch = Patch::Apply(manifest);
        let patched = self.api(desired.namespace).patch_metadata(desired.name, &params, &patch).await;
        patched
            .map(|patched| secret_metadata(&patched.metadata, desired.manager))
            .map_err(|error| classify(&error, Some(&desired.data)))
    }

    async fn merge(&self, namespace: &str, name: &str, patch: Value) -> Result<SecretMetadata, SecretError> {
        self.patch(namespace, name, &Patch::Merge(patch)).await
    }

    async fn patch(&self, namespace: &str, name: &str, patch: &Patch<Value>) -> Result<SecretMetadata, SecretError> {
        let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.api(namespace).patch_metadata(name, &params, patch).await;
        patched
            .map(|patched| secret_metadata(&patched.metadata, names::FIELD_MANAGER))
            .map_err(|error| classify(&error, None))
    }
}

fn unless_gone(result: Result<(), SecretError>) -> Result<(), SecretError> {
    match result {
        Err(SecretError::Replaced) => Ok(()),
        other => other,
    }
}

fn manifest(desired: &DesiredSecret<'_>, uid: Option<&str>) -> Value {
    let data: BTreeMap<_, _> =
        desired.data.iter().map(|(key, value)| (key.as_ref(), BASE64.encode(value.bytes()))).collect();
    let unless_empty = |map: &BTreeMap<_, _>| Some(map.clone()).filter(|map| !map.is_empty());
    let metadata = ObjectMeta {
        name: Some(desired.name.to_owned()),
        namespace: Some(desired.namespace.to_owned()),
        uid: uid.map(str::to_owned),
        labels: unless_empty(&desired.labels),
        annotations: unless_empty(&desired.annotations),
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
