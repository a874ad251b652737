//! Which service decrypts, with which keys, and whether the permission still exists.

use anyhow::{Context, Result};
use secure_parameter_operator::api::status::ParameterStatus;
use serde_json::{Value, json};
use testbed::{
    fake_aws::{KeyState, PutOptions, Tier},
    wait::eventually,
};

use crate::{
    audit::join,
    support::{PATIENCE, World, message, object, store},
};

/// The name within the ARN of a parameter.
fn name(parameter: &ParameterStatus) -> &str {
    parameter.arn.split_once(":parameter").map_or("", |(_, name)| name)
}

fn keyed(alias: &str) -> PutOptions {
    PutOptions { key: Some(format!("alias/{alias}")), ..PutOptions::default() }
}

#[tokio::test]
async fn the_status_names_the_keys() -> Result<()> {
    let world = World::start().await?;
    let key = world.aws.create_key("team");
    world.aws.put_with("/shop/db", "value", keyed("team"));
    world.aws.put("/shop/cache", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db"), ("CACHE", "/shop/cache")], &json!({}))).await?;
    world.settled().await?;
    let parameters = world.synced("checkout").await?.status.context("a status")?.parameters.clone();
    let keys: Vec<_> = parameters.iter().map(|p| (name(p), p.key_arn.as_deref(), p.key_manager.as_deref())).collect();
    let ssm_key = world.aws.ssm_key();
    let expected =
        [("/shop/cache", Some(ssm_key.as_str()), Some("AWS")), ("/shop/db", Some(key.as_str()), Some("CUSTOMER"))];
    assert_eq!(keys, expected);
    assert_eq!(world.aws.calls("DescribeParameters"), 1);
    Ok(())
}

#[tokio::test]
async fn without_permission_to_list_keys_only_the_keys_are_unknown() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.aws.deny("ssm:DescribeParameters", "*");
    world.start_operator().await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    eventually("the operator to be refused", PATIENCE, async || {
        Ok((world.aws.calls("DescribeParameters") == 1).then_some(()))
    })
    .await?;
    let parameters = world.synced("checkout").await?.status.context("a status")?.parameters.clone();
    assert_eq!((parameters[0].key_arn.as_deref(), parameters[0].key_manager.as_deref()), (None, None));
    Ok(())
}

/// KMS decrypts what it can and Parameter Store the rest. Both sides record every call.
#[tokio::test]
async fn kms_decrypts_directly_where_it_can() -> Result<()> {
    let mut world = World::without_operator().await?;
    let key = world.aws.create_key("team");
    world.aws.put_with("/shop/db", "value", keyed("team"));
    world.aws.put_with("/shop/large", "advanced", PutOptions { tier: Some(Tier::Advanced), ..keyed("team") });
    world.aws.put("/shop/managed", "by AWS");
    world.apply(&store("direct", &json!({"decryption": "Direct"}))).await?;
    let data = [("DB", "/shop/db"), ("LARGE", "/shop/large"), ("MANAGED", "/shop/managed")];
    let spec = json!({"storeRef": {"kind": "ClusterParameterStore", "name": "direct"}});
    world.apply(&object("checkout", &data, &spec)).await?;
    world.start_operator().await?;
    world.wait_for_secret("checkout", &[("DB", "value"), ("LARGE", "advanced"), ("MANAGED", "by AWS")]).await?;
    let object = world.synced("checkout").await?;
    for part in ["Decrypted by Parameter Store", "/shop/large (advanced tier)", "/shop/managed ("] {
        assert!(message(&object).contains(part), "{}", message(&object));
    }
    let event = world.event("checkout", "ParameterDecrypted", &[]).await?;
    assert!(event.note.is_some());
    world.settled().await?;
    // The operator remembers which values KMS can decrypt: the next read asks each service only for those.
    world.aws.clear_records();
    world.aws.put_with("/shop/db", "newer", keyed("team"));
    world.wait_for_secret("checkout", &[("DB", "newer"), ("LARGE", "advanced"), ("MANAGED", "by AWS")]).await?;
    assert_eq!(world.aws.calls("Decrypt"), 1);
    let parameters = world.synced("checkout").await?.status.context("a status")?.parameters.clone();
    let db = parameters.iter().find(|parameter| name(parameter) == "/shop/db").context("the parameter")?;
    assert_eq!(db.key_arn.as_deref(), Some(key.as_str()));
    let operator = world.stop_operator()?;
    let trail = world.aws.records();
    let ids: Vec<_> = trail.iter().map(|record| record["requestID"].clone()).collect();
    let audit: Vec<Value> =
        operator.audit()?.into_iter().filter(|r| ids.contains(&r["cloudtrail"]["requestID"])).collect();
    join::check_each(&audit, &trail);
    let direct = audit.iter().find(|record| record["cloudtrail"]["eventName"] == "Decrypt").context("its record")?;
    assert_eq!(direct["parameters"][0]["keyARN"], key.as_str());
    Ok(())
}

#[tokio::test]
async fn lost_access_is_reported_although_nothing_changed() -> Result<()> {
    let mut world = World::without_operator().await?;
    let key = world.aws.create_key("team");
    world.aws.put_with("/shop/db", "value", keyed("team"));
    world.apply(&store("default", &json!({"revalidateInterval": "10s"}))).await?;
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({"refreshInterval": "0s"}))).await?;
    world.start_operator().await?;
    world.settled().await?;
    let before = world.versions().await?;
    world.aws.clear_records();
    eventually("the access to be checked again", PATIENCE, async || Ok((world.aws.decrypts() >= 2).then_some(())))
        .await?;
    assert_eq!(before, world.versions().await?, "a successful check changes nothing");
    let rule = world.aws.deny("kms:Decrypt", &key);
    let denied = world.wait_for("checkout", "False", "DecryptDenied").await?;
    assert!(message(&denied).contains("kms:Decrypt"), "{}", message(&denied));
    world.wait_for_secret("checkout", &[("DB", "value")]).await?;
    world.aws.undeny(rule);
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn a_key_pending_deletion_is_reported_before_reads_fail() -> Result<()> {
    let mut world = World::without_operator().await?;
    let key = world.aws.create_key("team");
    world.aws.put_with("/shop/db", "value", keyed("team"));
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.start_operator().await?;
    world.settled().await?;
    world.stop_operator()?;
    world.aws.set_key_state(&key, KeyState::PendingDeletion);
    // After a start the operator describes every key.
    world.start_operator().await?;
    let event = world.event("checkout", "KeyUnavailable", &[]).await?;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let warned = world.wait_until("checkout", "the condition to name the key", |object| message(object).contains(&key));
    let warned = warned.await?;
    assert!(message(&warned).contains("PendingDeletion"), "{}", message(&warned));
    world.synced("checkout").await?;
    Ok(())
}
