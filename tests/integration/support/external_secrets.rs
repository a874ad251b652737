//! What External Secrets Operator (ESO) leaves in a cluster: its definitions, and Secrets as it makes them.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::{foreign::foreign, world::PATIENCE};

/// Name of the Secret that [`canary`] makes.
const CANARY: &str = "canary";

/// How ESO wrote its Secret.
#[derive(Clone, Copy)]
pub enum Written {
    /// By POST and PUT, as it does now.
    ByUpdate,
    /// By server-side apply, as older releases did.
    ByApply,
}

/// Definitions of its kinds. One of them is still served in the older version only.
pub fn definitions() -> [Value; 3] {
    [
        ("v1", "ExternalSecret", "Namespaced", &[][..]),
        ("v1", "SecretStore", "Namespaced", &["provider"]),
        ("v1beta1", "ClusterSecretStore", "Cluster", &["provider"]),
    ]
    .map(|(version, kind, scope, required)| foreign(&format!("external-secrets.io/{version}"), kind, scope, required))
}

/// The name under which ESO writes for this ExternalSecret.
pub fn manager(name: &str) -> String {
    format!("externalsecrets.external-secrets.io/{name}")
}

pub fn external_secrets(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("external-secrets.io", "v1", "ExternalSecret");
    let resource = ApiResource::from_gvk_with_plural(&kind, "externalsecrets");
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// The reference that ESO puts on the Secret of this ExternalSecret.
pub async fn owner(client: &Client, namespace: &str, name: &str) -> Result<Value> {
    let uid = external_secrets(client, namespace).get(name).await?.uid().context("a uid")?;
    Ok(json!({
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "name": name,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }))
}

/// Makes the Secret of the ExternalSecret of the same name, which is `owner`.
pub async fn made_by_eso(
    client: &Client,
    namespace: &str,
    owner: &Value,
    data: &Value,
    written: Written,
) -> Result<Secret> {
    let name = owner["name"].as_str().context("a name")?;
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                "reconcile.external-secrets.io/created-by": "0123456789abcdef",
                "reconcile.external-secrets.io/managed": "true",
                "team": "shop",
            },
            "annotations": {"reconcile.external-secrets.io/data-hash": "fedcba9876543210"},
            "ownerReferences": [owner],
        },
        "type": "Opaque",
        "data": data,
    });
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    Ok(match written {
        Written::ByUpdate => {
            let params = PostParams { field_manager: Some(manager(name)), ..PostParams::default() };
            api.create(&params, &serde_json::from_value(manifest)?).await?
        }
        Written::ByApply => api.patch(name, &PatchParams::apply(&manager(name)), &Patch::Apply(manifest)).await?,
    })
}

/// Makes another dependent of `owner`. It is gone when the garbage collector has followed the owner.
pub async fn canary(client: &Client, namespace: &str, owner: &Value) -> Result<()> {
    let canary = json!({"metadata": {"name": CANARY, "ownerReferences": [owner]}});
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    api.create(&PostParams::default(), &serde_json::from_value(canary)?).await?;
    Ok(())
}

/// Waits until the garbage collector has removed what [`canary`] made.
pub async fn collected(client: &Client, namespace: &str) -> Result<()> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    eventually("the garbage collector to follow the ExternalSecret", PATIENCE, async || {
        Ok(api.get_opt(CANARY).await?.is_none().then_some(()))
    })
    .await
}
