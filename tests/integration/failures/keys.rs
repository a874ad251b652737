//! Keys that KMS cannot use.

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use testbed::fake_aws::{KeyState, PutOptions};

use super::{calls, fails, joins, recorded, says, snapshot, sync};
use crate::support::{World, object};

/// A world with an object of two parameters: `A` under a key of its own, `B` under the key that AWS manages. Answers with
/// the ARN of the former.
async fn world() -> Result<(World, String)> {
    let world = World::start().await?;
    let key = world.aws.create_key("shop");
    world.aws.put_with("/shop/a", "alpha", PutOptions { key: Some("alias/shop".to_owned()), ..PutOptions::default() });
    world.aws.put("/shop/b", "beta");
    world.apply(&object("checkout", &[("A", "/shop/a"), ("B", "/shop/b")], &json!({}))).await?;
    world.synced("checkout").await?;
    Ok((world, key))
}

#[tokio::test]
async fn a_disabled_key_is_named_with_its_state_until_it_is_enabled() -> Result<()> {
    let (world, key) = world().await?;
    let before = snapshot(&world, "checkout").await?;
    world.aws.set_key_state(&key, KeyState::Disabled);
    world.aws.put("/shop/b", "rotated");
    let parts = [key.as_str(), "Disabled", "/shop/a", "enable it", "Secret checkout is kept as it was"];
    fails(&world, "checkout", "KeyUnavailable", "Stalled", &parts).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before, "the rotation waits: a Secret is written whole");
    let record = recorded(&world, "checkout", "KeyUnavailable", &[]).await?;
    joins(&world, &record)?;
    assert_eq!(record["cloudtrail"]["errorCode"], "InvalidKeyId");

    let calls = calls(&world, "checkout")?;
    let described = calls.iter().find(|call| call["cloudtrail"]["eventName"] == "DescribeKey").context("no look")?;
    joins(&world, described)?;
    assert_eq!(described["objects"][0]["reason"], "KeyState");
    let refused = world.aws.records().into_iter().find(|r| r["requestID"] == record["decryptions"][0]["requestID"]);
    assert_eq!(refused.context("KMS' own record")?["errorCode"], "DisabledException");

    world.aws.set_key_state(&key, KeyState::Enabled);
    sync(&world, "checkout").await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "alpha"), ("B", "rotated")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_key_that_will_be_deleted_is_named_with_the_date() -> Result<()> {
    let (world, key) = world().await?;
    world.aws.set_key_state(&key, KeyState::PendingDeletion);
    sync(&world, "checkout").await?;
    let parts = [key.as_str(), "PendingDeletion on ", "cancel the deletion"];
    let message = fails(&world, "checkout", "KeyUnavailable", "Stalled", &parts).await?;
    let date = message.split_once("PendingDeletion on ").and_then(|(_, rest)| rest.split(';').next());
    let date: Timestamp = date.context("a date")?.parse()?;
    let days = date.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((5..=7).contains(&days), "the fake deletes in a week: {date}");

    world.aws.remove_key(&key);
    let gone = sync(&world, "checkout").await?;
    fails(&world, "checkout", "KeyUnavailable", "Stalled", &[&key]).await?;
    assert!(!says(&gone, &[&key])?.contains("PendingDeletion"), "KMS knows it no more");
    Ok(())
}

#[tokio::test]
async fn a_key_that_may_not_be_described_is_named_all_the_same() -> Result<()> {
    let (world, key) = world().await?;
    world.aws.deny("kms:DescribeKey", "*");
    world.aws.set_key_state(&key, KeyState::Disabled);
    sync(&world, "checkout").await?;
    let first = fails(&world, "checkout", "KeyUnavailable", "Stalled", &[&key, "disabled"]).await?;
    let second = says(&sync(&world, "checkout").await?, &[])?;
    assert_eq!(first, second, "the same failure reads the same, or every look would write the status");
    Ok(())
}
