//! Reads Secrets. Of every Secret that the operator writes, only metadata is read. Data is read of one kind of Secret
//! alone: the credentials of a store.

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client};

use crate::kubernetes::secrets::{
    errors::{SecretError, classify},
    managed_fields::field_ownership,
};
use crate::{
    api::names,
    domain::ownership::types::{Controller, SecretMetadata},
};

/// Requests for Secrets.
#[derive(Clone)]
pub(crate) struct Secrets {
    client: Client,
}

impl Secrets {
    /// Creates the requests on top of `client`.
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Returns the metadata of a Secret, or `None` if it does not exist. Field ownership is seen from `manager`.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub(crate) async fn metadata(
        &self,
        namespace: &str,
        name: &str,
        manager: &str,
    ) -> Result<Option<SecretMetadata>, SecretError> {
        let found = self.api(namespace).get_metadata_opt(name).await.map_err(|error| classify(&error, None))?;
        Ok(found.map(|found| secret_metadata(&found.metadata, manager)))
    }

    /// Returns a Secret with the credentials of a store, data included, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server refuses or cannot be reached.
    pub(crate) async fn credentials(&self, namespace: &str, name: &str) -> Result<Option<Secret>, kube::Error> {
        self.api(namespace).get_opt(name).await
    }

    pub(crate) fn api(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// Extracts what ownership is decided by. Field ownership is seen from `manager`.
pub(crate) fn secret_metadata(meta: &ObjectMeta, manager: &str) -> SecretMetadata {
    let label = |key: &str| meta.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
    let annotation = |key: &str| meta.annotations.as_ref().and_then(|annotations| annotations.get(key)).cloned();
    let controller = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    SecretMetadata {
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
        owner_uid: label(names::OWNER_UID_LABEL),
        owner: annotation(names::OWNER_ANNOTATION),
        allow: annotation(names::ALLOW_ANNOTATION),
        controller: controller
            .map(|owner| Controller { name: format!("{} {}", owner.kind, owner.name), uid: owner.uid.clone() }),
        deleting: meta.deletion_timestamp.is_some(),
        fields: field_ownership(meta.managed_fields.as_deref().unwrap_or_default(), manager),
    }
}
