//! Stores that are missing, invalid, or without credentials.

use anyhow::Result;
use kube::api::DeleteParams;
use secure_parameter_operator::api::ParameterStore;
use serde_json::json;
use testbed::fake_aws::Identity;

use crate::support::{
    Group, World, calls, fails, snapshot, store, store_is, sync,
    tenant::{TENANT, cluster_stores, namespaced_store, put_for_tenant, secret, secret_of, tenant},
};

#[tokio::test]
async fn a_store_is_used_once_it_exists_and_reported_once_it_is_deleted() -> Result<()> {
    let world = &World::shared(Group::Failures, "late").await?;
    world.aws.put("/late/late", "alpha");
    let spec = json!({"storeRef": {"name": "late"}, "refreshInterval": "1h"});
    world.apply(&world.object("late-store", &[("A", "/late/late")], &spec)).await?;
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

#[tokio::test]
async fn a_cluster_store_reads_with_the_credentials_in_its_secret() -> Result<()> {
    let world = &World::shared(Group::Failures, "cluster-credentials").await?;
    put_for_tenant(world, "/cluster-credentials/tenant", "theirs");
    world.aws.put("/cluster-credentials/tenant", "ours");
    let reference = json!({"credentialsSecretRef": {"namespace": "cluster-credentials", "name": "tenant-keys"}});
    world.apply(&store("tenant", &json!({"identity": reference}))).await?;
    let spec = json!({"storeRef": {"name": "tenant"}});
    world.apply(&world.object("tenant", &[("A", "/cluster-credentials/tenant")], &spec)).await?;
    let stores = cluster_stores(world);
    let missing = ["cluster-credentials/tenant-keys", "does not exist", "access-key-id", "secret-access-key"];
    store_is(&stores, "tenant", "False", "StoreNotReady", &missing).await?;
    let parts = ["ClusterParameterStore tenant", "credentials"];
    fails(world, "tenant", "StoreNotReady", "Reconciling", &parts).await?;

    let identity = tenant(world);
    world.apply(&secret(world, "tenant-keys", &json!({"access-key-id": identity.access_key_id}))).await?;
    store_is(&stores, "tenant", "False", "CredentialsInvalid", &["key secret-access-key is missing"]).await?;
    world.apply(&secret_of(world, "tenant-keys", &identity)).await?;
    store_is(&stores, "tenant", "True", "Synced", &[TENANT, &identity.arn]).await?;
    world.synced("tenant").await?;
    world.wait_for_secret("tenant", &[("A", "theirs")]).await?;

    // Renewed credentials are used without a restart.
    let renewed = Identity::assumed_role(TENANT, "reader", "session");
    world.aws.add_identity(renewed.clone());
    world.apply(&secret_of(world, "tenant-keys", &renewed)).await?;
    store_is(&stores, "tenant", "True", "Synced", &[&renewed.arn]).await?;
    world.aws.remove_identity(&identity.access_key_id);
    put_for_tenant(world, "/cluster-credentials/tenant", "newer");
    sync(world, "tenant").await?;
    world.wait_for_secret("tenant", &[("A", "newer")]).await?;
    let last = calls(world, "tenant")?.pop().unwrap_or_default();
    assert_eq!(last["cloudtrail"]["userIdentity"]["accessKeyId"], json!(renewed.access_key_id));
    Ok(())
}

#[tokio::test]
async fn a_namespaced_store_says_which_credentials_it_lacks() -> Result<()> {
    let world = &World::shared(Group::Failures, "lacking").await?;
    world.apply(&namespaced_store(world, "lacking", "lacking-keys")).await?;
    let stores = world.api::<ParameterStore>();
    store_is(&stores, "lacking", "False", "StoreNotReady", &["lacking/lacking-keys", "does not exist"]).await?;
    let identity = tenant(world);
    let data = json!({"access-key-id": identity.access_key_id, "secret-access-key": ""});
    world.apply(&secret(world, "lacking-keys", &data)).await?;
    store_is(&stores, "lacking", "False", "CredentialsInvalid", &["key secret-access-key is empty"]).await?;
    world.apply(&secret_of(world, "lacking-keys", &identity)).await?;
    store_is(&stores, "lacking", "True", "Synced", &[TENANT, &identity.arn]).await?;
    Ok(())
}
