//! Credentials that AWS refuses: those of the operator, and those of a store.

use anyhow::Result;
use secure_parameter_operator::api::ParameterStore;
use serde_json::json;

use crate::support::{
    World, calls, echoed, fails, force, object, recorded, snapshot, store_is,
    tenant::{TENANT, cluster_stores, namespaced_store, put_for_tenant, secret_of, tenant},
    tolerates,
};

/// A world with an object in sync.
async fn world() -> Result<World> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    Ok(world)
}

#[tokio::test]
async fn refused_credentials_are_reported_on_the_store_and_the_object() -> Result<()> {
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
async fn renewed_credentials_in_a_stores_secret_are_used_at_once() -> Result<()> {
    let world = World::start().await?;
    put_for_tenant(&world, "/shop/a", "theirs");
    let identity = tenant(&world);
    world.apply(&secret_of(&world, "aws-keys", &identity)).await?;
    world.apply(&namespaced_store(&world, "own", "aws-keys")).await?;
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
    world.apply(&secret_of(&world, "aws-keys", &tenant(&world))).await?;
    store_is(&stores, "own", "True", "Synced", &[TENANT]).await?;
    world.wait_for_secret("checkout", &[("A", "newer")]).await?;
    world.synced("checkout").await?;
    Ok(())
}

/// The SDK computes the clock skew from the refusal and corrects the next call. The Event says what to do.
#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_first_refusal() -> Result<()> {
    let world = world().await?;
    // Each service has a clock. Only that of Parameter Store is asked from now on.
    world.settled().await?;
    world.aws.set_clock_offset(600);
    let token = force(&world, "checkout").await?;
    echoed(&world, "checkout", &token).await?;
    world.synced("checkout").await?;
    let refused = calls(&world, "checkout")?
        .into_iter()
        .filter(|call| call["cloudtrail"]["errorCode"] == "InvalidSignatureException");
    assert_eq!(refused.count(), 1, "recorded, and not repeated");
    assert!(world.events("checkout").await?.iter().all(|event| event.reason.as_deref() != Some("CredentialsInvalid")));
    Ok(())
}
