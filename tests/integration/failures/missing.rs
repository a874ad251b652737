//! Missing parameters, versions and labels; deleted parameters; labels that move.

use anyhow::Result;
use serde_json::json;

use crate::support::{ACCOUNT, Group, REGION, World, calls, fails, joins, outcome, recorded, says, snapshot, sync};

/// All missing parameters are named at once.
#[tokio::test]
async fn missing_parameters_are_named_and_read_once_they_appear() -> Result<()> {
    let world = &World::shared(Group::Failures, "appearing").await?;
    world.aws.put("/appearing/here", "here");
    let data = [("HERE", "/appearing/here"), ("USER", "/appearing/user"), ("PASSWORD", "/appearing/password")];
    world.apply(&world.object("incomplete", &data, &json!({}))).await?;
    let parts = ["/appearing/password, /appearing/user", ACCOUNT, REGION];
    let message = fails(world, "incomplete", "ParameterNotFound", "Stalled", &parts).await?;
    assert!(!message.contains("/appearing/here"), "{message}");
    assert_eq!(world.secret("incomplete").await?, None, "a Secret is written whole or not at all");
    joins(world, &recorded(world, "incomplete", "ParameterNotFound", &[]).await?)?;
    let first = calls(world, "incomplete")?;
    for (name, expected) in
        [("/appearing/here", "Decrypted"), ("/appearing/password", "NotFound"), ("/appearing/user", "NotFound")]
    {
        // Calls are for several objects, so that the three names need not be in one.
        assert!(first.iter().any(|call| outcome(call, name) == Some(expected)), "{name} is not {expected}: {first:?}");
    }

    // Once one of them appears, only the other is reported, without a forced sync.
    world.aws.put("/appearing/user", "user");
    let events = world.events("incomplete").await?;
    recorded(world, "incomplete", "ParameterNotFound", &events).await?;
    let later = calls(world, "incomplete")?.split_off(first.len());
    let found = later.iter().filter_map(|call| outcome(call, "/appearing/user")).find(|found| *found != "NotFound");
    assert_eq!(found, Some("Read"), "found by a version check");
    assert!(later.iter().all(|call| matches!(outcome(call, "/appearing/password"), None | Some("NotFound"))));
    world.aws.put("/appearing/password", "password");
    world.synced("incomplete").await?;
    world.wait_for_secret("incomplete", &[("HERE", "here"), ("USER", "user"), ("PASSWORD", "password")]).await?;
    Ok(())
}

/// The key of a deleted optional parameter is removed after a version check and a read.
#[tokio::test]
async fn a_deleted_parameter_keeps_the_secret_and_an_optional_one_loses_its_key() -> Result<()> {
    let world = &World::shared(Group::Failures, "vanishing").await?;
    world.aws.put("/vanishing/strict", "alpha");
    world.aws.put("/vanishing/loose", "beta");
    world.apply(&world.object("strict", &[("A", "/vanishing/strict")], &json!({}))).await?;
    let extra = json!({"key": "EXTRA", "parameter": "/vanishing/extra", "optional": true});
    let data = json!([{"key": "B", "parameter": "/vanishing/loose"}, extra]);
    world.apply(&world.object("loose", &[], &json!({"data": data}))).await?;
    world.synced("strict").await?;
    world.synced("loose").await?;
    world.wait_for_secret("loose", &[("B", "beta")]).await?;

    let before = snapshot(world, "strict").await?;
    world.aws.put("/vanishing/extra", "extra");
    world.aws.delete("/vanishing/strict");
    world.wait_for_secret("loose", &[("B", "beta"), ("EXTRA", "extra")]).await?;
    let parts = ["/vanishing/strict", "Secret strict is kept as it was"];
    fails(world, "strict", "ParameterNotFound", "Stalled", &parts).await?;
    assert_eq!(snapshot(world, "strict").await?, before);
    joins(world, &recorded(world, "strict", "ParameterNotFound", &[]).await?)?;

    // A parameter that is deleted and created again starts with version 1.
    let so_far = calls(world, "loose")?.len();
    world.aws.put("/vanishing/strict", "again");
    world.aws.delete("/vanishing/extra");
    world.wait_for_secret("loose", &[("B", "beta")]).await?;
    world.wait_for_secret("strict", &[("A", "again")]).await?;
    let synced = world.reported("loose").await?;
    says(&synced, &["1 key from 1 parameter"])?;
    let calls = calls(world, "loose")?.split_off(so_far);
    let missed = calls.iter().filter(|call| outcome(call, "/vanishing/extra") == Some("NotFound"));
    let reason = |call: &serde_json::Value| {
        let mut objects = call["objects"].as_array().into_iter().flatten();
        objects.find(|object| object["name"] == "loose").map(|object| object["reason"].clone())
    };
    let purposes: Vec<_> = missed.filter_map(reason).collect();
    // There may be several version checks, since a check is repeated early if that fills a call.
    let read = purposes.iter().position(|purpose| purpose == "ParameterChanged");
    assert!(
        read.is_some_and(|read| read > 0) && purposes[0] == "VersionCheck",
        "the key is removed after a version check and a read, not after {purposes:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_missing_version_is_not_reported_as_a_missing_parameter() -> Result<()> {
    let world = &World::shared(Group::Failures, "versions").await?;
    world.aws.put("/versions/young", "one");
    let pinned = json!({"key": "PINNED", "parameter": "/versions/young", "version": 2});
    let labelled = json!({"key": "LABELLED", "parameter": "/versions/young", "label": "prod"});
    let nowhere = json!({"key": "NOWHERE", "parameter": "/versions/nowhere", "version": 1});
    world.apply(&world.object("early", &[], &json!({"data": [pinned, labelled]}))).await?;
    world.apply(&world.object("mixed", &[], &json!({"data": [pinned, nowhere]}))).await?;
    let parts = ["/versions/young:2", "/versions/young:prod", ACCOUNT, REGION, "label"];
    fails(world, "early", "VersionNotFound", "Stalled", &parts).await?;
    fails(world, "mixed", "ParameterNotFound", "Stalled", &["/versions/nowhere:1", "/versions/young:2"]).await?;
    joins(world, &recorded(world, "early", "VersionNotFound", &[]).await?)?;

    let asked = calls(world, "early")?;
    // Together with names of other objects, if their turn comes at the same time.
    let reads_base = |call: &serde_json::Value| {
        let request = &call["cloudtrail"]["requestParameters"];
        let mut names = request["names"].as_array().into_iter().flatten();
        request["withDecryption"] == false && names.any(|name| name == "/versions/young")
    };
    assert!(asked.iter().any(reads_base), "the base name was not read: {asked:?}");
    assert!(asked.iter().all(|call| outcome(call, "/versions/young") != Some("Decrypted")), "{asked:?}");

    world.aws.put("/versions/young", "two");
    world.aws.label("/versions/young", 1, "prod");
    sync(world, "early").await?;
    world.synced("early").await?;
    world.wait_for_secret("early", &[("PINNED", "two"), ("LABELLED", "one")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_moved_label_changes_the_secret_and_a_pinned_version_does_not() -> Result<()> {
    let world = &World::shared(Group::Failures, "labels").await?;
    world.aws.put("/labels/labelled", "one");
    world.aws.label("/labels/labelled", 1, "prod");
    let data = json!([
        {"key": "NEWEST", "parameter": "/labels/labelled"},
        {"key": "PINNED", "parameter": "/labels/labelled", "version": 1},
        {"key": "LABELLED", "parameter": "/labels/labelled", "label": "prod"},
    ]);
    world.apply(&world.object("labelled", &[], &json!({"data": data}))).await?;
    world.synced("labelled").await?;
    world.wait_for_secret("labelled", &[("NEWEST", "one"), ("PINNED", "one"), ("LABELLED", "one")]).await?;

    world.aws.put("/labels/labelled", "two");
    world.wait_for_secret("labelled", &[("NEWEST", "two"), ("PINNED", "one"), ("LABELLED", "one")]).await?;
    world.aws.label("/labels/labelled", 2, "prod");
    world.wait_for_secret("labelled", &[("NEWEST", "two"), ("PINNED", "one"), ("LABELLED", "two")]).await?;
    let labelled = |object: &secure_parameter_operator::api::SecureParameter| {
        let parameters = object.status.iter().flat_map(|status| &status.parameters);
        parameters.filter(|p| p.label.as_deref() == Some("prod")).map(|p| p.version).eq([2])
    };
    world.wait_until("labelled", "the status to show the version of the label", labelled).await?;
    Ok(())
}
