//! Keys that KMS cannot use.

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;
use testbed::fake_aws::{KeyState, PutOptions};

use super::{calls, fails, force, joins, recorded, says, snapshot, sync};
use crate::support::{World, object};

/// Makes an object in sync with two parameters: `A` under a key of its own, `B` under the key that AWS manages. Answers
/// with the ARN of the former.
async fn two_keys(world: &World, name: &str) -> Result<String> {
    let key = world.aws.create_key(name);
    let own_key = PutOptions { key: Some(format!("alias/{name}")), ..PutOptions::default() };
    let (a, b) = (format!("/shop/{name}/a"), format!("/shop/{name}/b"));
    world.aws.put_with(&a, "alpha", own_key);
    world.aws.put(&b, "beta");
    world.apply(&object(name, &[("A", &a), ("B", &b)], &json!({}))).await?;
    world.synced(name).await?;
    Ok(key)
}

/// A disabled key is named with its state, until it is enabled.
pub async fn disabled(world: &World) -> Result<()> {
    let key = two_keys(world, "disabled").await?;
    let before = snapshot(world, "disabled").await?;
    world.aws.set_key_state(&key, KeyState::Disabled);
    world.aws.put("/shop/disabled/b", "rotated");
    let parts = [key.as_str(), "Disabled", "/shop/disabled/a", "enable it", "Secret disabled is kept as it was"];
    fails(world, "disabled", "KeyUnavailable", "Stalled", &parts).await?;
    assert_eq!(snapshot(world, "disabled").await?, before, "the rotation waits: a Secret is written whole");
    let record = recorded(world, "disabled", "KeyUnavailable", &[]).await?;
    joins(world, &record)?;
    assert_eq!(record["cloudtrail"]["errorCode"], "InvalidKeyId");

    let calls = calls(world, "disabled")?;
    let described = calls.iter().find(|call| call["cloudtrail"]["eventName"] == "DescribeKey").context("no look")?;
    joins(world, described)?;
    assert_eq!(described["objects"][0]["reason"], "KeyState");
    let refused = world.aws.records().into_iter().find(|r| r["requestID"] == record["decryptions"][0]["requestID"]);
    assert_eq!(refused.context("KMS' own record")?["errorCode"], "DisabledException");

    world.aws.set_key_state(&key, KeyState::Enabled);
    sync(world, "disabled").await?;
    world.synced("disabled").await?;
    world.wait_for_secret("disabled", &[("A", "alpha"), ("B", "rotated")]).await?;
    Ok(())
}

/// A key that will be deleted is named with the date.
pub async fn pending_deletion(world: &World) -> Result<()> {
    let key = two_keys(world, "dying").await?;
    world.aws.set_key_state(&key, KeyState::PendingDeletion);
    force(world, "dying").await?;
    let parts = [key.as_str(), "PendingDeletion on ", "cancel the deletion"];
    let message = fails(world, "dying", "KeyUnavailable", "Stalled", &parts).await?;
    let date = message.split_once("PendingDeletion on ").and_then(|(_, rest)| rest.split(';').next());
    let date: Timestamp = date.context("a date")?.parse()?;
    let days = date.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((5..=7).contains(&days), "the fake deletes in a week: {date}");

    world.aws.remove_key(&key);
    force(world, "dying").await?;
    let is_gone = |object: &SecureParameter| says(object, &[&key, "does not exist"]).is_ok();
    world.wait_until("dying", "the key to be missed", is_gone).await?;
    fails(world, "dying", "KeyUnavailable", "Stalled", &[&key]).await?;
    Ok(())
}

/// A key that may not be described is named all the same.
pub async fn not_described(world: &World) -> Result<()> {
    let key = two_keys(world, "hidden").await?;
    world.aws.deny("kms:DescribeKey", &key);
    world.aws.set_key_state(&key, KeyState::Disabled);
    force(world, "hidden").await?;
    let first = fails(world, "hidden", "KeyUnavailable", "Stalled", &[&key, "disabled"]).await?;
    let events = world.events("hidden").await?;
    force(world, "hidden").await?;
    recorded(world, "hidden", "KeyUnavailable", &events).await?;
    let second = fails(world, "hidden", "KeyUnavailable", "Stalled", &[]).await?;
    assert_eq!(first, second, "the same failure reads the same, or every look would write the status");
    Ok(())
}
