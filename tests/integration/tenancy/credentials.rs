//! The Secrets with the credentials of stores, in the hands of people who make mistakes or mean harm.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use secure_parameter_operator::api::ParameterStore;
use serde_json::{Value, json};
use testbed::{fake_aws::Fault, wait::eventually};

use crate::support::{
    Group, PATIENCE, World, fails, store, store_is,
    tenant::{TENANT, cluster_stores, namespaced_store, put_for_tenant, secret, secret_of, tenant},
};

/// An object that reads one parameter from the namespaced store with its own name.
fn reading(world: &World, name: &str) -> Value {
    let spec = json!({"storeRef": {"kind": "ParameterStore", "name": name}});
    world.object(name, &[("A", "/shop/a")], &spec)
}

/// Applies a store with the credentials in `data`, and waits until it says that the key of its Secret is at fault.
async fn refuses(world: &World, name: &str, data: &Value, key: &str) -> Result<()> {
    let stores = world.api::<ParameterStore>();
    let secret_name = format!("{name}-keys");
    world.apply(&secret(world, &secret_name, data)).await?;
    world.apply(&namespaced_store(world, name, &secret_name)).await?;
    let parts = [&format!("{}/{secret_name}", world.namespace), key, "copy it again"];
    store_is(&stores, name, "False", "CredentialsInvalid", &parts).await
}

#[tokio::test]
async fn line_breaks_around_credentials_do_not_matter_and_inside_they_are_refused() -> Result<()> {
    let world = &World::shared(Group::Failures, "line-breaks").await?;
    put_for_tenant(world, "/shop/a", "theirs");
    let (stores, identity) = (world.api::<ParameterStore>(), tenant(world));
    let (id, secret_key) = (&identity.access_key_id, &identity.secret_access_key);
    let padded = json!({"access-key-id": format!("{id}\n"), "secret-access-key": format!(" {secret_key}\r\n")});
    world.apply(&secret(world, "padded", &padded)).await?;
    world.apply(&namespaced_store(world, "padded", "padded")).await?;
    store_is(&stores, "padded", "True", "Synced", &[&identity.arn]).await?;

    let broken = json!({"access-key-id": format!("{id}\nC4N4RY"), "secret-access-key": "\u{feff}C4N4RY"});
    refuses(world, "broken", &broken, "access-key-id").await?;
    let token = json!({"access-key-id": id, "secret-access-key": secret_key, "session-token": "C4N4RY\nC4N4RY"});
    refuses(world, "token", &token, "session-token").await?;
    world.apply(&reading(world, "broken")).await?;
    fails(world, "broken", "StoreNotReady", "Reconciling", &["line-breaks/broken-keys", "access-key-id"]).await?;
    ensure!(!world.operator().log()?.contains("C4N4RY"), "the log holds part of the credentials");

    world.apply(&secret_of(world, "broken-keys", &identity)).await?;
    world.synced("broken").await?;
    world.wait_for_secret("broken", &[("A", "theirs")]).await
}

#[tokio::test]
async fn objects_do_not_learn_where_a_cluster_store_keeps_its_credentials() -> Result<()> {
    let world = &World::shared(Group::Failures, "discreet").await?;
    let reference = json!({"credentialsSecretRef": {"namespace": "kube-public", "name": "platform-keys"}});
    world.apply(&store("discreet", &json!({"identity": reference}))).await?;
    let parts = ["kube-public/platform-keys", "does not exist", "access-key-id", "secret-access-key"];
    store_is(&cluster_stores(world), "discreet", "False", "StoreNotReady", &parts).await?;
    let spec = json!({"storeRef": {"name": "discreet"}});
    world.apply(&world.object("discreet", &[("A", "/discreet/a")], &spec)).await?;
    let parts = ["ClusterParameterStore discreet", "credentials", "platform team"];
    let message = fails(world, "discreet", "StoreNotReady", "Reconciling", &parts).await?;
    ensure!(!message.contains("kube-public") && !message.contains("platform-keys"), "{message}");
    Ok(())
}

#[tokio::test]
async fn only_new_credentials_ask_sts() -> Result<()> {
    let world = &World::shared(Group::Secrets, "annotated").await?;
    let (stores, secrets, identity) = (world.api::<ParameterStore>(), world.api::<Secret>(), tenant(world));
    world.apply(&secret_of(world, "keys", &identity)).await?;
    world.apply(&namespaced_store(world, "annotated", "keys")).await?;
    store_is(&stores, "annotated", "True", "Synced", &[&identity.arn]).await?;
    for number in 0..20 {
        let patch = json!({"metadata": {"annotations": {"number": number.to_string()}}});
        secrets.patch_metadata("keys", &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    let renewed = tenant(world);
    world.apply(&secret_of(world, "keys", &renewed)).await?;
    // The message stays the same, so a call with the new key shows that the operator has come this far.
    eventually("a call with the new key", PATIENCE, async || {
        let new = json!(renewed.access_key_id);
        let is_new = |record: &Value| record["cloudtrail"]["userIdentity"]["accessKeyId"] == new;
        Ok(identity_calls(world, "annotated")?.iter().any(is_new).then_some(()))
    })
    .await?;
    assert_eq!(identity_calls(world, "annotated")?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_deleted_while_sts_is_asked_stays_away() -> Result<()> {
    let world = World::start().await?;
    put_for_tenant(&world, "/shop/a", "theirs");
    world.apply(&secret_of(&world, "keys", &tenant(&world))).await?;
    let asked = world.aws.calls("GetCallerIdentity");
    world.aws.fault("GetCallerIdentity", Fault::Hang, 1);
    world.apply(&namespaced_store(&world, "fleeting", "keys")).await?;
    eventually("STS to be asked", PATIENCE, async || Ok((world.aws.calls("GetCallerIdentity") > asked).then_some(())))
        .await?;
    let stores: Api<ParameterStore> = world.api();
    stores.delete("fleeting", &DeleteParams::default()).await?;
    world.apply(&reading(&world, "fleeting")).await?;
    fails(&world, "fleeting", "StoreNotFound", "Reconciling", &["ParameterStore fleeting"]).await?;

    world.aws.clear_faults();
    eventually("the call to end", PATIENCE, async || {
        Ok((!identity_calls(&world, "fleeting")?.is_empty()).then_some(()))
    })
    .await?;
    // A new object sees what is left of the store.
    let spec = json!({"storeRef": {"kind": "ParameterStore", "name": "fleeting"}});
    world.apply(&world.object("later", &[("A", "/shop/a")], &spec)).await?;
    fails(&world, "later", "StoreNotFound", "Reconciling", &["ParameterStore fleeting"]).await?;
    ensure!(world.secret("fleeting").await?.is_none() && world.secret("later").await?.is_none());

    // A store of that name is as good as any other.
    world.apply(&namespaced_store(&world, "fleeting", "keys")).await?;
    store_is(&stores, "fleeting", "True", "Synced", &[TENANT]).await?;
    world.synced("fleeting").await?;
    world.synced("later").await.map(drop)
}

/// Returns the audit records of `GetCallerIdentity` on behalf of a store.
fn identity_calls(world: &World, store: &str) -> Result<Vec<Value>> {
    let mut records = world.operator().audit()?;
    records.retain(|record| {
        record["cloudtrail"]["eventName"] == "GetCallerIdentity"
            && record["objects"][0]["name"] == store
            && record["objects"][0]["namespace"] == json!(world.namespace)
    });
    Ok(records)
}
