//! Rules that grant parameters only if certain KMS keys encrypt them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::fake_aws::{ParameterType, PutOptions};

use super::policy::reading_from;
use crate::support::{Group, World, calls, decrypting, echoed, fails, force, snapshot, store, sync};

/// A store that grants each namespace its own parameters, with these keys only.
fn keyed_store(name: &str, keys: &[&str], more: &Value) -> Value {
    let access = json!([{
        "name": "own-paths",
        "namespaces": {"from": "All"},
        "parameters": ["/{namespace}/**"],
        "kmsKeys": keys,
    }]);
    let mut manifest = store(name, more);
    manifest["spec"]["access"] = access;
    manifest
}

fn with_key(key: &str) -> PutOptions {
    PutOptions { key: Some(key.to_owned()), ..PutOptions::default() }
}

/// The number of calls that decrypted for an object.
fn decrypts(world: &World, name: &str) -> Result<usize> {
    Ok(decrypting(&calls(world, name)?))
}

#[tokio::test]
async fn a_value_is_decrypted_and_written_only_if_a_granted_key_encrypts_it() -> Result<()> {
    let world = &World::shared(Group::Failures, "keyed").await?;
    world.aws.create_key("keyed");
    let other = world.aws.create_key("keyed-other");
    world.aws.put_with("/keyed/db", "alpha", with_key("alias/keyed"));
    world.apply(&keyed_store("keyed", &["alias/{namespace}"], &json!({}))).await?;
    world.apply(&world.object("keyed", &[("A", "/keyed/db")], &json!({"storeRef": {"name": "keyed"}}))).await?;
    world.wait_for_secret("keyed", &[("A", "alpha")]).await?;
    world.synced("keyed").await?;

    let (before, decrypted) = (snapshot(world, "keyed").await?, decrypts(world, "keyed")?);
    world.aws.put_with("/keyed/db", "of others", with_key(&other));
    let parts = ["/keyed/db", "Namespace keyed", &other, "kmsKeys", "ClusterParameterStore keyed"];
    fails(world, "keyed", "PolicyDenied", "Stalled", &parts).await?;
    assert_eq!(snapshot(world, "keyed").await?, before);

    // The versions are still watched.
    let token = force(world, "keyed").await?;
    world.aws.put_with("/keyed/db", "beta", with_key("alias/keyed"));
    world.wait_for_secret("keyed", &[("A", "beta")]).await?;
    echoed(world, "keyed", &token).await?;
    world.synced("keyed").await?;
    assert_eq!(decrypts(world, "keyed")?, decrypted + 1, "what is not granted was decrypted");
    Ok(())
}

/// A parameter that is created anew starts at version 1 again.
#[tokio::test]
async fn a_key_is_that_of_one_version_of_one_parameter() -> Result<()> {
    let world = &World::shared(Group::Failures, "keyed-anew").await?;
    world.aws.create_key("keyed-anew");
    world.aws.put_with("/keyed-anew/db", "alpha", with_key("alias/keyed-anew"));
    world.apply(&keyed_store("keyed-anew", &["alias/{namespace}"], &json!({}))).await?;
    let object = world.object("keyed", &[("A", "/keyed-anew/db")], &json!({"storeRef": {"name": "keyed-anew"}}));
    world.apply(&object).await?;
    world.wait_for_secret("keyed", &[("A", "alpha")]).await?;
    world.aws.delete("/keyed-anew/db");
    world.aws.put("/keyed-anew/db", "of others");
    fails(world, "keyed", "PolicyDenied", "Stalled", &["alias/aws/ssm"]).await?;
    world.wait_for_secret("keyed", &[("A", "alpha")]).await
}

#[tokio::test]
async fn what_is_known_of_a_key_decides() -> Result<()> {
    let world = &World::shared(Group::Failures, "known").await?;
    let key = world.aws.create_key("known");
    let id = key.rsplit('/').next().unwrap_or_default().to_owned();
    world.aws.create_key("known-led-elsewhere");
    for (name, key) in [("alias", "alias/known"), ("arn", &*key), ("id", &*id), ("moved", "alias/known-led-elsewhere")]
    {
        world.aws.put_with(&world.path(name), "value", with_key(key));
    }
    world.aws.create_key("known-led-elsewhere");
    world.aws.put(&world.path("default"), "value");
    let plain = PutOptions { kind: ParameterType::String, ..PutOptions::default() };
    world.aws.put_with(&world.path("plain"), "value", plain);
    for version in ["first", "second"] {
        world.aws.put_with(&world.path("twice"), version, with_key("alias/known"));
    }
    world.aws.label(&world.path("twice"), 2, "prod");
    let whole_key = "arn:aws:kms:*:111122223333:key/*";
    for (name, keys, parameter, value, words) in [
        ("alias", &["alias/{namespace}"][..], "alias", json!({}), None),
        ("alias-glob", &["alias/*"], "alias", json!({}), None),
        ("alias-arn", &["arn:aws:kms:eu-central-1:111122223333:alias/known"], "alias", json!({}), None),
        ("led-to", &["alias/{namespace}"], "arn", json!({}), None),
        ("by-arn", &[&*key], "arn", json!({}), None),
        ("by-id", &[whole_key], "id", json!({}), None),
        ("aws-key", &["alias/aws/ssm"], "default", json!({}), None),
        ("moved", &["alias/known-*"], "moved", json!({}), None),
        ("only-alias-known", &[whole_key], "moved", json!({}), Some("led to when it was written")),
        ("other-alias", &["alias/known"], "moved", json!({}), Some("alias/known-led-elsewhere")),
        ("default", &["alias/known"], "default", json!({}), Some("alias/aws/ssm")),
        ("plain", &["alias/*"], "plain", json!({}), Some("is not encrypted")),
        ("version", &["alias/known"], "twice", json!({"version": 2}), Some("newest version only")),
        ("label", &["alias/known"], "twice", json!({"label": "prod"}), Some("newest version only")),
        ("previous", &["alias/known"], "twice", json!({"previous": true}), Some("newest version only")),
    ] {
        let store = format!("known-{name}");
        world.apply(&keyed_store(&store, keys, &json!({}))).await?;
        let mut entry = json!({"key": "A", "parameter": world.path(parameter)});
        value.as_object().into_iter().flatten().for_each(|(field, value)| entry[field] = value.clone());
        let spec = json!({"data": [entry], "storeRef": {"name": store}});
        world.apply(&world.object(name, &[], &spec)).await?;
        match words {
            None => world.wait_for_secret(name, &[("A", "value")]).await?,
            Some(words) => {
                fails(world, name, "PolicyDenied", "Stalled", &[words]).await?;
                ensure!(world.secret(name).await?.is_none(), "{name}");
                ensure!(decrypts(world, name)? == 0, "{name} was decrypted");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn secrets_of_secrets_manager_and_of_other_accounts_have_no_known_key() -> Result<()> {
    let world = &World::shared(Group::Failures, "unknown").await?;
    world.aws.put_secret("unknown/db", "value");
    let shared = "arn:aws:ssm:eu-central-1:444455556666:parameter/unknown/db";
    let reference = "/aws/reference/secretsmanager/unknown/db";
    let access = json!([{
        "name": "all",
        "namespaces": {"from": "All"},
        "parameters": ["/aws/reference/secretsmanager/unknown/**", "arn:aws:ssm:*:444455556666:parameter/**"],
        "kmsKeys": ["alias/*", "arn:aws:kms:*:*:key/*"],
    }]);
    world.apply(&store("unknown", &json!({"access": access}))).await?;
    for (name, parameter, words) in
        [("reference", reference, "a secret of Secrets Manager"), ("shared", shared, "belongs to another account")]
    {
        world.apply(&reading_from(world, "unknown", &[("A", parameter)])).await?;
        fails(world, "unknown", "PolicyDenied", "Stalled", &[words, parameter, "rule without kmsKeys"]).await?;
        ensure!(decrypts(world, "unknown")? == 0, "{name} was decrypted");
    }
    Ok(())
}

#[tokio::test]
async fn each_parameter_below_a_path_needs_a_granted_key() -> Result<()> {
    let world = &World::shared(Group::Failures, "keyed-path").await?;
    let other = world.aws.create_key("keyed-path-other");
    world.aws.create_key("keyed-path");
    world.aws.put_with("/keyed-path/a", "alpha", with_key("alias/keyed-path"));
    world.apply(&keyed_store("keyed-path", &["alias/{namespace}"], &json!({}))).await?;
    let spec = json!({"dataFrom": [{"path": "/keyed-path"}], "storeRef": {"name": "keyed-path"}});
    let mut object = world.object("path", &[], &spec);
    object["spec"].as_object_mut().map(|spec| spec.remove("data"));
    world.apply(&object).await?;
    world.wait_for_secret("path", &[("a", "alpha")]).await?;
    world.aws.put_with("/keyed-path/b", "of others", with_key(&other));
    fails(world, "path", "PolicyDenied", "Stalled", &["/keyed-path/b", &other]).await?;
    world.wait_for_secret("path", &[("a", "alpha")]).await?;
    world.aws.delete("/keyed-path/b");
    world.synced("path").await?;
    Ok(())
}

/// Nothing is polled, so that only the edits themselves can have had an effect.
#[tokio::test]
async fn edits_of_keys_take_effect_at_once_on_objects_that_exist() -> Result<()> {
    let world = &World::shared(Group::Failures, "keyed-edit").await?;
    world.aws.create_key("keyed-edit");
    world.aws.put_with("/keyed-edit/db", "alpha", with_key("alias/keyed-edit"));
    world.apply(&keyed_store("keyed-edit", &[], &json!({}))).await?;
    world.apply(&reading_from(world, "keyed-edit", &[("A", "/keyed-edit/db")])).await?;
    world.wait_for_secret("keyed-edit", &[("A", "alpha")]).await?;
    let before = snapshot(world, "keyed-edit").await?;
    for _ in 0..2 {
        world.apply(&keyed_store("keyed-edit", &["alias/other"], &json!({}))).await?;
        fails(world, "keyed-edit", "PolicyDenied", "Stalled", &["alias/keyed-edit", "kept as it was"]).await?;
        world.apply(&keyed_store("keyed-edit", &["alias/{namespace}"], &json!({}))).await?;
        world.synced("keyed-edit").await?;
    }
    assert_eq!(snapshot(world, "keyed-edit").await?, before);
    Ok(())
}

#[tokio::test]
async fn kms_names_the_key_of_what_it_decrypts_itself() -> Result<()> {
    let mut world = World::without_operator().await?;
    // Without this permission nothing but the answers of KMS tells.
    world.aws.deny("ssm:DescribeParameters", "*");
    world.aws.create_key("shop");
    let former = world.aws.create_key("shop-former");
    let written = [("twice", "shop"), ("twice", "shop"), ("former", "shop-former"), ("unread", "shop")];
    for (name, alias) in written.map(|(name, alias)| (name, format!("alias/{alias}"))) {
        world.aws.put_with(&format!("/shop/{name}"), "value", with_key(&alias));
    }
    world.aws.put("/shop/managed", "value");
    world.aws.create_key("shop-former");
    world.apply(&keyed_store("default", &["alias/{namespace}"], &json!({"decryption": "Direct"}))).await?;
    world.apply(&keyed_store("former", &["alias/shop-former"], &json!({"decryption": "Direct"}))).await?;
    world.apply(&keyed_store("via-ssm", &["alias/{namespace}"], &json!({}))).await?;
    world.start_operator().await?;
    let data = json!([
        {"key": "A", "parameter": "/shop/twice"},
        {"key": "B", "parameter": "/shop/twice", "version": 1},
        {"key": "C", "parameter": "/shop/twice", "previous": true},
    ]);
    world.apply(&world.object("direct", &[], &json!({"data": data}))).await?;
    world.wait_for_secret("direct", &[("A", "value"), ("B", "value"), ("C", "value")]).await?;
    for (store, parameter, words) in [
        ("default", "/shop/former", former.as_str()),
        ("default", "/shop/managed", "ssm:DescribeParameters"),
        ("former", "/shop/former", former.as_str()),
        ("via-ssm", "/shop/unread", "ssm:DescribeParameters"),
    ] {
        world.apply(&world.object("refused", &[("A", parameter)], &json!({"storeRef": {"name": store}}))).await?;
        fails(&world, "refused", "PolicyDenied", "Stalled", &[parameter, words]).await?;
        ensure!(world.secret("refused").await?.is_none(), "{store} {parameter}");
    }
    // After a restart the operator knows nothing of keys, and learns it without writing anything.
    let before = snapshot(&world, "direct").await?;
    world.stop_operator()?;
    world.start_operator().await?;
    sync(&world, "direct").await?;
    world.synced("direct").await?;
    assert_eq!(snapshot(&world, "direct").await?, before);
    Ok(())
}

#[tokio::test]
async fn keys_are_asked_for_together_and_once_for_each_version() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.aws.create_key("shop");
    for number in 0..40 {
        world.aws.put_with(&format!("/shop/{number}"), "value", with_key("alias/shop"));
    }
    world.apply(&keyed_store("default", &["alias/{namespace}"], &json!({}))).await?;
    for number in 0..40 {
        let data = [("A", &*format!("/shop/{number}"))];
        world.apply(&world.object(&format!("object-{number}"), &data, &json!({}))).await?;
    }
    world.start_operator().await?;
    world.settled().await?;
    let asked = world.aws.calls("DescribeParameters");
    ensure!(asked <= 3, "{asked} calls for 40 parameters");
    sync(&world, "object-0").await?;
    world.apply(&world.object("late", &[("A", "/shop/0")], &json!({}))).await?;
    world.synced("late").await?;
    assert_eq!(world.aws.calls("DescribeParameters"), asked, "the keys are known");
    Ok(())
}
