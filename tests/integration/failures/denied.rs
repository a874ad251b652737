//! IAM denies a read or a decryption.

use anyhow::{Context, Result};
use serde_json::json;
use testbed::{fake_aws::PutOptions, wait::eventually};

use crate::support::{
    Group, PATIENCE, World, calls, fails, force, joins, recorded, snapshot, store, sync, tenant::cluster_stores,
};

/// The message names principal, action and resource.
#[tokio::test]
async fn a_denied_read_names_the_permission_and_harms_no_other_object() -> Result<()> {
    let world = &World::shared(Group::Failures, "denied-reads").await?;
    for name in ["/denied-reads/denied/a", "/denied-reads/denied/extra", "/denied-reads/neighbour"] {
        world.aws.put(name, "first");
    }
    let extra = json!({"key": "EXTRA", "parameter": "/denied-reads/denied/extra", "optional": true});
    let data = json!([{"key": "A", "parameter": "/denied-reads/denied/a"}, extra]);
    let denied = world.object("denied", &[], &json!({"data": data}));
    world.apply(&denied).await?;
    world.apply(&world.object("neighbour", &[("B", "/denied-reads/neighbour")], &json!({}))).await?;
    world.synced("denied").await?;
    world.synced("neighbour").await?;

    let before = snapshot(world, "denied").await?;
    let arn = world.aws.parameter_arn("/denied-reads/denied/extra");
    let rule = world.aws.deny("ssm:GetParameters", &arn);
    world.apply(&world.object("late", &[("EXTRA", "/denied-reads/denied/extra")], &json!({}))).await?;
    force(world, "denied").await?;
    let principal = world.aws.default_identity().arn;
    let parts = [principal.as_str(), "ssm:GetParameters", arn.as_str(), "kept as it was"];
    fails(world, "denied", "AccessDenied", "Stalled", &parts).await?;
    fails(world, "late", "AccessDenied", "Stalled", &parts[..3]).await?;
    assert_eq!(world.secret("late").await?, None);
    let record = recorded(world, "denied", "AccessDenied", &[]).await?;
    joins(world, &record)?;
    assert_eq!(record["cloudtrail"]["errorCode"], "AccessDeniedException");

    // Other objects are not affected. A denied optional parameter is not absent, so its key stays.
    world.aws.put("/denied-reads/neighbour", "second");
    world.wait_for_secret("neighbour", &[("B", "second")]).await?;
    assert_eq!(snapshot(world, "denied").await?, before);

    world.aws.put("/denied-reads/denied/a", "second");
    world.aws.undeny(rule);
    sync(world, "denied").await?;
    world.synced("denied").await?;
    world.wait_for_secret("denied", &[("A", "second"), ("EXTRA", "first")]).await?;
    world.synced("late").await.context("without a forced sync")?;
    Ok(())
}

/// So the platform team need not look at the objects.
#[tokio::test]
async fn a_store_tells_what_is_denied_to_its_objects() -> Result<()> {
    let world = &World::shared(Group::Failures, "denied-store").await?;
    world.apply(&store("denied-store", &json!({}))).await?;
    let name = "/denied-store/denied";
    world.aws.put(name, "first");
    let arn = world.aws.parameter_arn(name);
    let rule = world.aws.deny("ssm:GetParameters", &arn);
    for object in ["one", "two"] {
        world.apply(&world.object(object, &[("A", name)], &json!({"storeRef": {"name": "denied-store"}}))).await?;
        fails(world, object, "AccessDenied", "Stalled", &[&arn]).await?;
    }
    let warns = async |what: &str, expected: usize| {
        eventually(&format!("the store to warn {what}"), PATIENCE, async || {
            let warnings = cluster_stores(world).get("denied-store").await?.status.unwrap_or_default().warnings;
            let says = |warning: &String| warning.contains("may not call ssm:GetParameters") && warning.contains(&arn);
            Ok((warnings.len() == expected && warnings.iter().all(says)).then_some(()))
        })
        .await
    };
    warns("once of both objects", 1).await?;
    world.aws.undeny(rule);
    for object in ["one", "two"] {
        sync(world, object).await?;
        world.synced(object).await?;
    }
    warns("no more", 0).await
}

#[tokio::test]
async fn a_denied_decryption_names_the_key() -> Result<()> {
    let world = &World::shared(Group::Failures, "denied-keys").await?;
    let key = world.aws.create_key("guarded");
    let sealed = || PutOptions { key: Some("alias/guarded".to_owned()), ..PutOptions::default() };
    world.aws.put_with("/denied-keys/guarded", "first", sealed());
    world.apply(&world.object("guarded", &[("A", "/denied-keys/guarded")], &json!({}))).await?;
    world.synced("guarded").await?;

    let before = snapshot(world, "guarded").await?;
    let rule = world.aws.deny("kms:Decrypt", &key);
    world.aws.put_with("/denied-keys/guarded", "second", sealed());
    let principal = world.aws.default_identity().arn;
    let parts = [principal.as_str(), "kms:Decrypt", key.as_str(), "Secret guarded is kept as it was"];
    fails(world, "guarded", "DecryptDenied", "Stalled", &parts).await?;
    assert_eq!(snapshot(world, "guarded").await?, before);

    // KMS refused with a request id of its own, which the audit record contains.
    let record = recorded(world, "guarded", "DecryptDenied", &[]).await?;
    joins(world, &record)?;
    let decryption = &record["decryptions"][0];
    let trail = world.aws.records();
    let refused = trail.iter().find(|theirs| theirs["requestID"] == decryption["requestID"]).context("no record")?;
    assert_eq!((&refused["eventName"], &refused["errorCode"]), (&json!("Decrypt"), &json!("AccessDeniedException")));
    assert_eq!(refused["requestParameters"]["encryptionContext"], decryption["encryptionContext"]);

    world.aws.undeny(rule);
    sync(world, "guarded").await?;
    world.synced("guarded").await?;
    world.wait_for_secret("guarded", &[("A", "second")]).await?;
    let recovered = calls(world, "guarded")?;
    let mut parameters = recovered.iter().flat_map(|call| call["parameters"].as_array().into_iter().flatten());
    let arn = world.aws.parameter_arn("/denied-keys/guarded");
    let last = parameters.rfind(|parameter| parameter["arn"] == arn.as_str());
    assert_eq!(last.context("no read")?["version"], 2);
    Ok(())
}
