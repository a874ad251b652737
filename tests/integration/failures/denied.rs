//! IAM says no: to reading, to decrypting, to one parameter of many.

use anyhow::{Context, Result};
use serde_json::json;
use testbed::fake_aws::PutOptions;

use super::{calls, fails, force, joins, recorded, snapshot, sync};
use crate::support::{World, object};

/// A denied read names principal, action and resource; the denial of one parameter harms no other object.
pub async fn reads(world: &World) -> Result<()> {
    for name in ["/shop/denied/a", "/shop/denied/extra", "/shop/neighbour"] {
        world.aws.put(name, "first");
    }
    let extra = json!({"key": "EXTRA", "parameter": "/shop/denied/extra", "optional": true});
    let data = json!([{"key": "A", "parameter": "/shop/denied/a"}, extra]);
    let denied = object("denied", &[], &json!({"data": data}));
    world.apply(&denied).await?;
    world.apply(&object("neighbour", &[("B", "/shop/neighbour")], &json!({}))).await?;
    world.synced("denied").await?;
    world.synced("neighbour").await?;

    let before = snapshot(world, "denied").await?;
    let arn = world.aws.parameter_arn("/shop/denied/extra");
    let rule = world.aws.deny("ssm:GetParameters", &arn);
    world.apply(&object("late", &[("EXTRA", "/shop/denied/extra")], &json!({}))).await?;
    force(world, "denied").await?;
    let principal = world.aws.default_identity().arn;
    let parts = [principal.as_str(), "ssm:GetParameters", arn.as_str(), "kept as it was"];
    fails(world, "denied", "AccessDenied", "Stalled", &parts).await?;
    fails(world, "late", "AccessDenied", "Stalled", &parts[..3]).await?;
    assert_eq!(world.secret("late").await?, None);
    let record = recorded(world, "denied", "AccessDenied", &[]).await?;
    joins(world, &record)?;
    assert_eq!(record["cloudtrail"]["errorCode"], "AccessDeniedException");

    // Others are not harmed, and a denial is no absence: the optional key stays.
    world.aws.put("/shop/neighbour", "second");
    world.wait_for_secret("neighbour", &[("B", "second")]).await?;
    assert_eq!(snapshot(world, "denied").await?, before);

    world.aws.put("/shop/denied/a", "second");
    world.aws.undeny(rule);
    sync(world, "denied").await?;
    world.synced("denied").await?;
    world.wait_for_secret("denied", &[("A", "second"), ("EXTRA", "first")]).await?;
    world.synced("late").await.context("by the interval alone")?;
    Ok(())
}

/// A denied decryption names the key.
pub async fn decryptions(world: &World) -> Result<()> {
    let key = world.aws.create_key("guarded");
    let sealed = || PutOptions { key: Some("alias/guarded".to_owned()), ..PutOptions::default() };
    world.aws.put_with("/shop/guarded", "first", sealed());
    world.apply(&object("guarded", &[("A", "/shop/guarded")], &json!({}))).await?;
    world.synced("guarded").await?;

    let before = snapshot(world, "guarded").await?;
    let rule = world.aws.deny("kms:Decrypt", &key);
    world.aws.put_with("/shop/guarded", "second", sealed());
    let principal = world.aws.default_identity().arn;
    let parts = [principal.as_str(), "kms:Decrypt", key.as_str(), "Secret guarded is kept as it was"];
    fails(world, "guarded", "DecryptDenied", "Stalled", &parts).await?;
    assert_eq!(snapshot(world, "guarded").await?, before);

    // The refusal came from KMS, under a request id of its own: the audit record knows it.
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
    let read = recovered.iter().rev().find(|call| call["cloudtrail"]["eventName"] == "GetParameters");
    assert_eq!(read.context("no read")?["parameters"][0]["version"], 2);
    Ok(())
}
