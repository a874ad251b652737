//! Stores that are missing, or not ready.

use anyhow::Result;
use kube::api::DeleteParams;
use secure_parameter_operator::api::ParameterStore;
use serde_json::json;
use testbed::fake_aws::Identity;

use crate::failures::{
    ACCOUNT, calls,
    credentials::{TENANT, cluster_stores, namespaced_store, put_for_tenant, secret, secret_of, tenant},
    fails, snapshot, store_is, sync,
};
use crate::support::{World, object, store};

/// A store is found as soon as it exists, and missed when it goes.
pub async fn come_and_go(world: &World) -> Result<()> {
    world.aws.put("/shop/late", "alpha");
    let spec = json!({"storeRef": {"name": "late"}, "refreshInterval": "1h"});
    world.apply(&object("late-store", &[("A", "/shop/late")], &spec)).await?;
    let parts = ["ClusterParameterStore late", "spec.storeRef"];
    fails(world, "late-store", "StoreNotFound", "Reconciling", &parts).await?;
    assert_eq!(calls(world, "late-store")?.len(), 0);
    world.event("late-store", "StoreNotFound", &[]).await?;
    world.apply(&store("late", &json!({}))).await?;
    world.synced("late-store").await?;

    let before = snapshot(world, "late-store").await?;
    cluster_stores(world).delete("late", &DeleteParams::default()).await?;
    let parts = ["Secret late-store is kept as it was"];
    fails(world, "late-store", "StoreNotFound", "Reconciling", &parts).await?;
    assert_eq!(snapshot(world, "late-store").await?, before);
    world.apply(&store("late", &json!({}))).await?;
    world.synced("late-store").await?;
    assert_eq!(snapshot(world, "late-store").await?, before);
    Ok(())
}

/// A store with a rule that is none serves nobody.
pub async fn broken_rule(world: &World) -> Result<()> {
    let rule = json!({"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}*"]});
    world.apply(&store("broken", &json!({"access": [rule]}))).await?;
    let parts = ["spec.access", "/{namespace}*", "whole path segment"];
    store_is(&cluster_stores(world), "broken", "False", "InvalidSpec", &parts).await?;
    let spec = json!({"storeRef": {"name": "broken"}});
    world.apply(&object("broken-store", &[("A", "/shop/broken")], &spec)).await?;
    let parts = ["ClusterParameterStore broken", "spec.access"];
    fails(world, "broken-store", "StoreNotReady", "Reconciling", &parts).await?;
    world.aws.put("/shop/broken", "alpha");
    world.apply(&store("broken", &json!({}))).await?;
    store_is(&cluster_stores(world), "broken", "True", "Synced", &[ACCOUNT]).await?;
    world.synced("broken-store").await?;
    Ok(())
}

/// A cluster store reads with the credentials in its Secret, and follows that.
pub async fn of_the_cluster_with_credentials(world: &World) -> Result<()> {
    put_for_tenant(world, "/shop/tenant", "theirs");
    world.aws.put("/shop/tenant", "ours");
    let reference = json!({"credentialsSecretRef": {"namespace": "shop", "name": "tenant-keys"}});
    world.apply(&store("tenant", &json!({"identity": reference}))).await?;
    let spec = json!({"storeRef": {"name": "tenant"}});
    world.apply(&object("tenant", &[("A", "/shop/tenant")], &spec)).await?;
    let stores = cluster_stores(world);
    let missing = ["shop/tenant-keys", "does not exist", "access-key-id", "secret-access-key"];
    store_is(&stores, "tenant", "False", "StoreNotReady", &missing).await?;
    let parts = ["ClusterParameterStore tenant", "shop/tenant-keys"];
    fails(world, "tenant", "StoreNotReady", "Reconciling", &parts).await?;

    let identity = tenant(world);
    world.apply(&secret("tenant-keys", &json!({"access-key-id": identity.access_key_id}))).await?;
    store_is(&stores, "tenant", "False", "StoreNotReady", &["key secret-access-key is missing"]).await?;
    world.apply(&secret_of("tenant-keys", &identity)).await?;
    store_is(&stores, "tenant", "True", "Synced", &[TENANT, &identity.arn]).await?;
    world.synced("tenant").await?;
    world.wait_for_secret("tenant", &[("A", "theirs")]).await?;

    // New keys for the old, without a restart.
    let renewed = Identity::assumed_role(TENANT, "reader", "session");
    world.aws.add_identity(renewed.clone());
    world.apply(&secret_of("tenant-keys", &renewed)).await?;
    store_is(&stores, "tenant", "True", "Synced", &[&renewed.arn]).await?;
    world.aws.remove_identity(&identity.access_key_id);
    put_for_tenant(world, "/shop/tenant", "newer");
    sync(world, "tenant").await?;
    world.wait_for_secret("tenant", &[("A", "newer")]).await?;
    let last = calls(world, "tenant")?.pop().unwrap_or_default();
    assert_eq!(last["cloudtrail"]["userIdentity"]["accessKeyId"], json!(renewed.access_key_id));
    Ok(())
}

/// A namespaced store without its Secret says what it needs.
pub async fn of_a_namespace_without_credentials(world: &World) -> Result<()> {
    world.apply(&namespaced_store("lacking", "lacking-keys")).await?;
    let stores = world.api::<ParameterStore>();
    store_is(&stores, "lacking", "False", "StoreNotReady", &["shop/lacking-keys", "does not exist"]).await?;
    let identity = tenant(world);
    let data = json!({"access-key-id": identity.access_key_id, "secret-access-key": ""});
    world.apply(&secret("lacking-keys", &data)).await?;
    store_is(&stores, "lacking", "False", "StoreNotReady", &["key secret-access-key is empty"]).await?;
    world.apply(&secret_of("lacking-keys", &identity)).await?;
    store_is(&stores, "lacking", "True", "Synced", &[TENANT, &identity.arn]).await?;
    Ok(())
}
