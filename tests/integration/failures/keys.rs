//! KMS keys that cannot be used.

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use secure_parameter_operator::api::{SecureParameter, StoreStatus};
use serde_json::json;
use testbed::fake_aws::{KeyState, PutOptions};

use crate::support::{Group, World, calls, fails, force, joins, recorded, says, snapshot, store_shows, sync};

/// Creates an object with two parameters, `A` encrypted by a key of its own and `B` by the key that AWS manages, and
/// waits until it is in sync. Returns the ARN of the first key.
async fn two_keys(world: &World, name: &str) -> Result<String> {
    let key = world.aws.create_key(name);
    let own_key = PutOptions { key: Some(format!("alias/{name}")), ..PutOptions::default() };
    let (a, b) = (format!("/{}/{name}/a", world.namespace), format!("/{}/{name}/b", world.namespace));
    world.aws.put_with(&a, "alpha", own_key);
    world.aws.put(&b, "beta");
    world.apply(&world.object(name, &[("A", &a), ("B", &b)], &json!({}))).await?;
    world.synced(name).await?;
    Ok(key)
}

#[tokio::test]
async fn a_disabled_key_is_named_until_it_is_enabled() -> Result<()> {
    let world = &World::shared(Group::Failures, "disabled-key").await?;
    let key = two_keys(world, "disabled").await?;
    let before = snapshot(world, "disabled").await?;
    world.aws.set_key_state(&key, KeyState::Disabled);
    world.aws.put("/disabled-key/disabled/b", "rotated");
    let parts =
        [key.as_str(), "Disabled", "/disabled-key/disabled/a", "enable it", "Secret disabled is kept as it was"];
    fails(world, "disabled", "KeyUnavailable", "Stalled", &parts).await?;
    let is_warned = |status: &StoreStatus| {
        status.warnings.iter().any(|warning| warning.contains(&key) && warning.contains("Disabled"))
    };
    store_shows(world, "default", "a warning about the key", is_warned).await?;
    assert_eq!(snapshot(world, "disabled").await?, before, "the other key waits, because a Secret is written whole");
    let record = recorded(world, "disabled", "KeyUnavailable", &[]).await?;
    joins(world, &record)?;
    assert_eq!(record["cloudtrail"]["errorCode"], "InvalidKeyId");

    let calls = calls(world, "disabled")?;
    let described =
        calls.iter().find(|call| call["cloudtrail"]["eventName"] == "DescribeKey").context("no DescribeKey")?;
    joins(world, described)?;
    assert_eq!(described["objects"][0]["reason"], "KeyState");
    let refused = world.aws.records().into_iter().find(|r| r["requestID"] == record["decryptions"][0]["requestID"]);
    assert_eq!(refused.context("no record of KMS")?["errorCode"], "DisabledException");

    world.aws.set_key_state(&key, KeyState::Enabled);
    sync(world, "disabled").await?;
    world.synced("disabled").await?;
    world.wait_for_secret("disabled", &[("A", "alpha"), ("B", "rotated")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_key_pending_deletion_is_named_with_the_date() -> Result<()> {
    let world = &World::shared(Group::Failures, "dying-key").await?;
    let key = two_keys(world, "dying").await?;
    world.aws.set_key_state(&key, KeyState::PendingDeletion);
    force(world, "dying").await?;
    let parts = [key.as_str(), "PendingDeletion (deletion on ", "cancel the deletion"];
    let message = fails(world, "dying", "KeyUnavailable", "Stalled", &parts).await?;
    let date = message.split_once("(deletion on ").and_then(|(_, rest)| rest.split(')').next());
    let date: Timestamp = date.context("a date")?.parse()?;
    let days = date.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((5..=7).contains(&days), "the fake deletes in a week: {date}");

    world.aws.remove_key(&key);
    force(world, "dying").await?;
    let is_gone = |object: &SecureParameter| says(object, &[&key, "does not exist"]).is_ok();
    world.wait_until("dying", "the key to be reported as missing", is_gone).await?;
    fails(world, "dying", "KeyUnavailable", "Stalled", &[&key]).await?;
    Ok(())
}

/// The message is the same for each failure, because a change would write the status.
#[tokio::test]
async fn a_key_that_may_not_be_described_is_still_named() -> Result<()> {
    let world = &World::shared(Group::Failures, "hidden-key").await?;
    let key = two_keys(world, "hidden").await?;
    world.aws.deny("kms:DescribeKey", &key);
    world.aws.set_key_state(&key, KeyState::Disabled);
    force(world, "hidden").await?;
    let first = fails(world, "hidden", "KeyUnavailable", "Stalled", &[&key, "disabled"]).await?;
    let events = world.events("hidden").await?;
    force(world, "hidden").await?;
    recorded(world, "hidden", "KeyUnavailable", &events).await?;
    let second = fails(world, "hidden", "KeyUnavailable", "Stalled", &[]).await?;
    assert_eq!(first, second, "the message has changed");
    Ok(())
}
