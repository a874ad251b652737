//! Stores that are missing, not ready, or whose credentials AWS does not accept.

use anyhow::Result;
use kube::{Api, api::DeleteParams};
use secure_parameter_operator::api::{ClusterParameterStore, ParameterStore};
use serde_json::{Value, json};
use testbed::fake_aws::{Identity, PutOptions};

use super::{ACCOUNT, calls, fails, recorded, snapshot, store_is, sync, tolerates};
use crate::support::{World, object, store};

/// An account that the operator's own identity is not of.
const TENANT: &str = "444455556666";

fn cluster_stores(world: &World) -> Api<ClusterParameterStore> {
    Api::all(world.client.clone())
}

/// A user of the tenant's account with keys that AWS accepts from now on.
fn tenant(world: &World) -> Identity {
    let identity = Identity::user(TENANT, "reader");
    world.aws.add_identity(identity.clone());
    identity
}

/// The Secret `aws-keys` in namespace `shop`.
fn credentials(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws-keys", "namespace": "shop"}, "stringData": data})
}

/// The Secret `aws-keys` with the keys of an identity.
fn credentials_of(identity: &Identity) -> Value {
    let mut data = json!({"access-key-id": identity.access_key_id, "secret-access-key": identity.secret_access_key});
    if let Some(token) = &identity.session_token {
        data["session-token"] = json!(token);
    }
    credentials(&data)
}

fn put_for_tenant(world: &World, value: &str) {
    world.aws.put_with("/shop/a", value, PutOptions { account: Some(TENANT.to_owned()), ..PutOptions::default() });
}

#[tokio::test]
async fn credentials_that_aws_refuses_show_on_store_and_object() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    let before = snapshot(&world, "checkout").await?;
    let identity = world.aws.default_identity();

    world.aws.expire(&identity.access_key_id);
    sync(&world, "checkout").await?;
    tolerates(&world, "checkout", "CredentialsInvalid", &["renew", "ExpiredToken"]).await?;
    let record = recorded(&world, "checkout", "CredentialsInvalid", &[]).await?;
    assert_eq!(record["cloudtrail"]["errorCode"], "ExpiredTokenException");
    store_is(&cluster_stores(&world), "default", "False", "CredentialsInvalid", &["renew", "ExpiredToken"]).await?;
    world.aws.add_identity(identity.clone());
    store_is(&cluster_stores(&world), "default", "True", "Synced", &[&identity.arn]).await?;
    world.synced("checkout").await?;

    // The same for an operator that starts with such credentials.
    world.stop_operator()?;
    world.aws.remove_identity(&identity.access_key_id);
    world.start_operator().await?;
    store_is(&cluster_stores(&world), "default", "False", "CredentialsInvalid", &["InvalidClientTokenId"]).await?;
    tolerates(&world, "checkout", "CredentialsInvalid", &["renew", "InvalidClientTokenId"]).await?;
    world.apply(&object("fresh", &[("A", "/shop/a")], &json!({}))).await?;
    fails(&world, "fresh", "CredentialsInvalid", "Reconciling", &["renew"]).await?;
    world.aws.add_identity(identity.clone());
    world.synced("fresh").await?;
    world.synced("checkout").await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_as_the_cause() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    world.aws.set_clock_offset(600);
    sync(&world, "checkout").await?;
    tolerates(&world, "checkout", "CredentialsInvalid", &["clock", "InvalidSignatureException"]).await?;
    world.aws.set_clock_offset(0);
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn a_cluster_store_with_its_own_credentials_reads_their_account() -> Result<()> {
    let world = World::start().await?;
    put_for_tenant(&world, "theirs");
    world.aws.put("/shop/a", "ours");
    let reference = json!({"credentialsSecretRef": {"namespace": "shop", "name": "aws-keys"}});
    world.apply(&store("tenant", &json!({"identity": reference}))).await?;
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({"storeRef": {"name": "tenant"}}))).await?;
    let stores = cluster_stores(&world);
    let missing = ["shop/aws-keys", "does not exist", "access-key-id", "secret-access-key"];
    store_is(&stores, "tenant", "False", "StoreNotReady", &missing).await?;
    fails(&world, "checkout", "StoreNotReady", "Reconciling", &["ClusterParameterStore tenant", "shop/aws-keys"])
        .await?;

    let identity = tenant(&world);
    world.apply(&credentials(&json!({"access-key-id": identity.access_key_id}))).await?;
    store_is(&stores, "tenant", "False", "StoreNotReady", &["key secret-access-key is missing"]).await?;
    world.apply(&credentials_of(&identity)).await?;
    store_is(&stores, "tenant", "True", "Synced", &[TENANT, &identity.arn]).await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "theirs")]).await?;

    // New keys for the old, without a restart.
    let renewed = Identity::assumed_role(TENANT, "reader", "session");
    world.aws.add_identity(renewed.clone());
    world.apply(&credentials_of(&renewed)).await?;
    store_is(&stores, "tenant", "True", "Synced", &[&renewed.arn]).await?;
    world.aws.remove_identity(&identity.access_key_id);
    put_for_tenant(&world, "newer");
    sync(&world, "checkout").await?;
    world.wait_for_secret("checkout", &[("A", "newer")]).await?;
    let last = calls(&world, "checkout")?.pop().unwrap_or_default();
    assert_eq!(last["cloudtrail"]["userIdentity"]["accessKeyId"], json!(renewed.access_key_id));
    Ok(())
}

#[tokio::test]
async fn refused_credentials_of_a_store_are_renewed_in_their_secret() -> Result<()> {
    let world = World::start().await?;
    put_for_tenant(&world, "theirs");
    let identity = tenant(&world);
    world.apply(&credentials_of(&identity)).await?;
    let manifest = json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": "own", "namespace": "shop"},
        "spec": {"identity": {"credentialsSecretRef": {"name": "aws-keys"}}},
    });
    world.apply(&manifest).await?;
    let reference = json!({"storeRef": {"kind": "ParameterStore", "name": "own"}});
    world.apply(&object("checkout", &[("A", "/shop/a")], &reference)).await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "theirs")]).await?;
    let stores = world.api::<ParameterStore>();
    store_is(&stores, "own", "True", "Synced", &[TENANT]).await?;

    let before = snapshot(&world, "checkout").await?;
    world.aws.remove_identity(&identity.access_key_id);
    sync(&world, "checkout").await?;
    tolerates(&world, "checkout", "CredentialsInvalid", &["renew"]).await?;
    store_is(&stores, "own", "False", "CredentialsInvalid", &["renew"]).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);

    put_for_tenant(&world, "newer");
    world.apply(&credentials_of(&tenant(&world))).await?;
    store_is(&stores, "own", "True", "Synced", &[TENANT]).await?;
    world.wait_for_secret("checkout", &[("A", "newer")]).await?;
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn a_namespaced_store_without_its_secret_says_what_it_needs() -> Result<()> {
    let world = World::start().await?;
    let manifest = json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": "own", "namespace": "shop"},
        "spec": {"identity": {"credentialsSecretRef": {"name": "aws-keys"}}},
    });
    world.apply(&manifest).await?;
    let stores = world.api::<ParameterStore>();
    store_is(&stores, "own", "False", "StoreNotReady", &["shop/aws-keys", "does not exist"]).await?;
    let identity = tenant(&world);
    let data = json!({"access-key-id": identity.access_key_id, "secret-access-key": ""});
    world.apply(&credentials(&data)).await?;
    store_is(&stores, "own", "False", "StoreNotReady", &["key secret-access-key is empty"]).await?;
    world.apply(&credentials_of(&identity)).await?;
    store_is(&stores, "own", "True", "Synced", &[TENANT, &identity.arn]).await?;
    Ok(())
}

#[tokio::test]
async fn a_store_is_found_as_soon_as_it_exists_and_missed_when_it_goes() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    let slow = json!({"storeRef": {"name": "later"}, "refreshInterval": "1h"});
    world.apply(&object("checkout", &[("A", "/shop/a")], &slow)).await?;
    fails(&world, "checkout", "StoreNotFound", "Reconciling", &["ClusterParameterStore later", "spec.storeRef"])
        .await?;
    assert_eq!(world.aws.calls("GetParameters"), 0);
    world.event("checkout", "StoreNotFound", &[]).await?;
    world.apply(&store("later", &json!({}))).await?;
    world.synced("checkout").await?;

    let before = snapshot(&world, "checkout").await?;
    cluster_stores(&world).delete("later", &DeleteParams::default()).await?;
    fails(&world, "checkout", "StoreNotFound", "Reconciling", &["Secret checkout is kept as it was"]).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    world.apply(&store("later", &json!({}))).await?;
    world.synced("checkout").await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    Ok(())
}

#[tokio::test]
async fn a_store_with_a_rule_that_is_none_serves_nobody() -> Result<()> {
    let world = World::start().await?;
    let rule = json!({"namespaces": {"all": true}, "parameters": ["/{namespace}*"]});
    world.apply(&store("broken", &json!({"access": [rule]}))).await?;
    let parts = ["spec.access", "/{namespace}*", "whole path segment"];
    store_is(&cluster_stores(&world), "broken", "False", "InvalidSpec", &parts).await?;
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({"storeRef": {"name": "broken"}}))).await?;
    fails(&world, "checkout", "StoreNotReady", "Reconciling", &["ClusterParameterStore broken", "spec.access"]).await?;
    world.aws.put("/shop/a", "alpha");
    world.apply(&store("broken", &json!({}))).await?;
    store_is(&cluster_stores(&world), "broken", "True", "Synced", &[ACCOUNT]).await?;
    world.synced("checkout").await?;
    Ok(())
}
