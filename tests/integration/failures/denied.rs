//! IAM says no: to reading, to decrypting, to one parameter of many.

use anyhow::{Context, Result};
use serde_json::json;
use testbed::fake_aws::PutOptions;

use super::{calls, fails, joins, recorded, snapshot, sync};
use crate::support::{World, object};

#[tokio::test]
async fn a_denied_read_names_principal_action_and_resource() -> Result<()> {
    let world = World::start().await?;
    for name in ["/shop/a", "/shop/extra", "/shop/b"] {
        world.aws.put(name, "first");
    }
    let extra = json!({"key": "EXTRA", "parameter": "/shop/extra", "optional": true});
    let data = json!([{"key": "A", "parameter": "/shop/a"}, extra]);
    let checkout = object("checkout", &[], &json!({"data": data}));
    world.apply(&checkout).await?;
    world.apply(&object("neighbour", &[("B", "/shop/b")], &json!({}))).await?;
    world.synced("checkout").await?;
    world.synced("neighbour").await?;

    let before = snapshot(&world, "checkout").await?;
    let arn = world.aws.parameter_arn("/shop/extra");
    let rule = world.aws.deny("ssm:GetParameters", &arn);
    world.apply(&object("late", &[("EXTRA", "/shop/extra")], &json!({}))).await?;
    sync(&world, "checkout").await?;
    let principal = world.aws.default_identity().arn;
    let parts = [principal.as_str(), "ssm:GetParameters", arn.as_str(), "kept as it was"];
    fails(&world, "checkout", "AccessDenied", "Stalled", &parts).await?;
    fails(&world, "late", "AccessDenied", "Stalled", &parts[..3]).await?;
    assert_eq!(world.secret("late").await?, None);
    let record = recorded(&world, "checkout", "AccessDenied", &[]).await?;
    joins(&world, &record)?;
    assert_eq!(record["cloudtrail"]["errorCode"], "AccessDeniedException");

    // Others are not harmed, and a denial is no absence: the optional key stays.
    world.aws.put("/shop/b", "second");
    world.wait_for_secret("neighbour", &[("B", "second")]).await?;
    let events = world.events("checkout").await?;
    recorded(&world, "checkout", "AccessDenied", &events).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);

    world.aws.put("/shop/a", "second");
    world.aws.undeny(rule);
    sync(&world, "checkout").await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "second"), ("EXTRA", "first")]).await?;
    world.synced("late").await.context("by the interval alone")?;
    Ok(())
}

#[tokio::test]
async fn a_denied_decryption_names_the_key() -> Result<()> {
    let world = World::start().await?;
    let key = world.aws.create_key("shop");
    let sealed = || PutOptions { key: Some("alias/shop".to_owned()), ..PutOptions::default() };
    world.aws.put_with("/shop/a", "first", sealed());
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;

    let before = snapshot(&world, "checkout").await?;
    let rule = world.aws.deny("kms:Decrypt", &key);
    world.aws.put_with("/shop/a", "second", sealed());
    let principal = world.aws.default_identity().arn;
    let parts = [principal.as_str(), "kms:Decrypt", key.as_str(), "Secret checkout is kept as it was"];
    fails(&world, "checkout", "DecryptDenied", "Stalled", &parts).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);

    // The refusal came from KMS, under a request id of its own: the audit record knows it.
    let record = recorded(&world, "checkout", "DecryptDenied", &[]).await?;
    joins(&world, &record)?;
    let decryption = &record["decryptions"][0];
    let trail = world.aws.records();
    let refused = trail.iter().find(|theirs| theirs["requestID"] == decryption["requestID"]).context("no record")?;
    assert_eq!((&refused["eventName"], &refused["errorCode"]), (&json!("Decrypt"), &json!("AccessDeniedException")));
    assert_eq!(refused["requestParameters"]["encryptionContext"], decryption["encryptionContext"]);

    world.aws.undeny(rule);
    sync(&world, "checkout").await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "second")]).await?;
    let recovered = calls(&world, "checkout")?;
    assert_eq!(recovered.last().context("no call")?["parameters"][0]["version"], 2);
    Ok(())
}
