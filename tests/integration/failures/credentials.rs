//! Credentials that AWS does not accept, of the operator's own and of stores that bring theirs.

use anyhow::Result;
use kube::Api;
use secure_parameter_operator::api::{ClusterParameterStore, ParameterStore};
use serde_json::{Value, json};
use testbed::fake_aws::{Identity, PutOptions};

use super::{contains, echoed, fails, force, recorded, snapshot, store_is, tolerates};
use crate::support::{World, object};

/// An account that the operator's own identity is not of.
pub const TENANT: &str = "444455556666";

/// The API of cluster stores.
pub fn cluster_stores(world: &World) -> Api<ClusterParameterStore> {
    Api::all(world.client.clone())
}

/// A store in namespace `shop` that finds its credentials in this Secret.
pub fn namespaced_store(name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"identity": {"credentialsSecretRef": {"name": secret}}},
    })
}

/// A user of the tenant's account with new keys, which AWS accepts from now on.
pub fn tenant(world: &World) -> Identity {
    let identity = Identity::user(TENANT, "reader");
    world.aws.add_identity(identity.clone());
    identity
}

/// Writes a parameter of the tenant's account.
pub fn put_for_tenant(world: &World, name: &str, value: &str) {
    world.aws.put_with(name, value, PutOptions { account: Some(TENANT.to_owned()), ..PutOptions::default() });
}

/// A Secret in namespace `shop`.
pub fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, "stringData": data})
}

/// A Secret with the keys of an identity.
pub fn secret_of(name: &str, identity: &Identity) -> Value {
    let mut data = json!({"access-key-id": identity.access_key_id, "secret-access-key": identity.secret_access_key});
    if let Some(token) = &identity.session_token {
        data["session-token"] = json!(token);
    }
    secret(name, &data)
}

/// A world with an object in sync.
async fn world() -> Result<World> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    Ok(world)
}

#[tokio::test]
async fn refused_credentials_show_on_store_and_object() -> Result<()> {
    let mut world = world().await?;
    let before = snapshot(&world, "checkout").await?;
    let identity = world.aws.default_identity();
    world.aws.expire(&identity.access_key_id);
    force(&world, "checkout").await?;
    tolerates(&world, "checkout", "CredentialsInvalid", &["renew", "ExpiredToken"]).await?;
    let record = recorded(&world, "checkout", "CredentialsInvalid", &[]).await?;
    assert_eq!(record["cloudtrail"]["errorCode"], "ExpiredTokenException");
    store_is(&cluster_stores(&world), "default", "False", "CredentialsInvalid", &["renew", "ExpiredToken"]).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
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
async fn refused_credentials_of_a_store_are_renewed_in_their_secret() -> Result<()> {
    let world = World::start().await?;
    put_for_tenant(&world, "/shop/a", "theirs");
    let identity = tenant(&world);
    world.apply(&secret_of("aws-keys", &identity)).await?;
    world.apply(&namespaced_store("own", "aws-keys")).await?;
    let spec = json!({"storeRef": {"kind": "ParameterStore", "name": "own"}});
    world.apply(&object("checkout", &[("A", "/shop/a")], &spec)).await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "theirs")]).await?;
    let stores = world.api::<ParameterStore>();
    store_is(&stores, "own", "True", "Synced", &[TENANT, &identity.arn]).await?;

    let before = snapshot(&world, "checkout").await?;
    world.aws.remove_identity(&identity.access_key_id);
    force(&world, "checkout").await?;
    tolerates(&world, "checkout", "CredentialsInvalid", &["renew"]).await?;
    store_is(&stores, "own", "False", "CredentialsInvalid", &["renew", "InvalidClientTokenId"]).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);

    put_for_tenant(&world, "/shop/a", "newer");
    world.apply(&secret_of("aws-keys", &tenant(&world))).await?;
    store_is(&stores, "own", "True", "Synced", &[TENANT]).await?;
    world.wait_for_secret("checkout", &[("A", "newer")]).await?;
    world.synced("checkout").await?;
    Ok(())
}

/// The SDK learns the difference from the refusal and allows for it from the next call on; the refusal says what to do.
#[tokio::test]
async fn a_clock_that_is_off_is_named_and_allowed_for() -> Result<()> {
    let world = world().await?;
    world.aws.set_clock_offset(600);
    let token = force(&world, "checkout").await?;
    let event = world.event("checkout", "CredentialsInvalid", &[]).await?;
    contains(event.note.as_deref().unwrap_or_default(), &["clock", "InvalidSignatureException"])?;
    echoed(&world, "checkout", &token).await?;
    world.synced("checkout").await?;
    Ok(())
}
