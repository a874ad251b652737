//! Parameters, versions and labels that are not there, appear, move and go.

use anyhow::Result;
use serde_json::json;

use super::{ACCOUNT, REGION, calls, fails, joins, outcomes, recorded, snapshot, sync};
use crate::support::{World, object};

/// Missing parameters are named all at once, and found when they appear.
pub async fn parameters_appear(world: &World) -> Result<()> {
    world.aws.put("/shop/here", "here");
    let data = [("HERE", "/shop/here"), ("USER", "/shop/user"), ("PASSWORD", "/shop/password")];
    world.apply(&object("incomplete", &data, &json!({}))).await?;
    let parts = ["/shop/password, /shop/user", ACCOUNT, REGION];
    let message = fails(world, "incomplete", "ParameterNotFound", "Stalled", &parts).await?;
    assert!(!message.contains("/shop/here"), "{message}");
    assert_eq!(world.secret("incomplete").await?, None, "whole or not at all");
    let record = recorded(world, "incomplete", "ParameterNotFound", &[]).await?;
    joins(world, &record)?;
    let expected = [("/shop/here", "Decrypted"), ("/shop/password", "NotFound"), ("/shop/user", "NotFound")];
    assert_eq!(own(&record), expected);

    // One appears: the other is still missed, at the next look and without anybody's asking.
    world.aws.put("/shop/user", "user");
    let events = world.events("incomplete").await?;
    let record = recorded(world, "incomplete", "ParameterNotFound", &events).await?;
    assert_eq!(own(&record)[1..], [("/shop/password", "NotFound"), ("/shop/user", "Read")], "a look told");
    world.aws.put("/shop/password", "password");
    world.synced("incomplete").await?;
    world.wait_for_secret("incomplete", &[("HERE", "here"), ("USER", "user"), ("PASSWORD", "password")]).await?;
    Ok(())
}

/// A deleted parameter leaves the Secret as it is; an optional one takes its key along after two looks.
pub async fn parameters_vanish(world: &World) -> Result<()> {
    world.aws.put("/shop/strict", "alpha");
    world.aws.put("/shop/loose", "beta");
    world.apply(&object("strict", &[("A", "/shop/strict")], &json!({}))).await?;
    let extra = json!({"key": "EXTRA", "parameter": "/shop/extra", "optional": true});
    let data = json!([{"key": "B", "parameter": "/shop/loose"}, extra]);
    world.apply(&object("loose", &[], &json!({"data": data}))).await?;
    world.synced("strict").await?;
    world.synced("loose").await?;
    world.wait_for_secret("loose", &[("B", "beta")]).await?;

    let before = snapshot(world, "strict").await?;
    world.aws.put("/shop/extra", "extra");
    world.aws.delete("/shop/strict");
    world.wait_for_secret("loose", &[("B", "beta"), ("EXTRA", "extra")]).await?;
    let parts = ["/shop/strict", "Secret strict is kept as it was"];
    fails(world, "strict", "ParameterNotFound", "Stalled", &parts).await?;
    assert_eq!(snapshot(world, "strict").await?, before);
    joins(world, &recorded(world, "strict", "ParameterNotFound", &[]).await?)?;

    // A parameter that is deleted and made again begins anew with version 1.
    let so_far = calls(world, "loose")?.len();
    world.aws.put("/shop/strict", "again");
    world.aws.delete("/shop/extra");
    world.wait_for_secret("loose", &[("B", "beta")]).await?;
    world.wait_for_secret("strict", &[("A", "again")]).await?;
    let synced = world.reported("loose").await?;
    super::says(&synced, &["1 key from 1 parameter"])?;
    let calls = calls(world, "loose")?.split_off(so_far);
    let missed = calls.iter().filter(|call| outcomes(call).contains(&("/shop/extra", "NotFound")));
    let reason = |call: &serde_json::Value| {
        let mut objects = call["objects"].as_array().into_iter().flatten();
        objects.find(|object| object["name"] == "loose").map(|object| object["reason"].clone())
    };
    let purposes: Vec<_> = missed.filter_map(reason).collect();
    assert_eq!(purposes[..2], ["VersionCheck", "ParameterChanged"], "a look and a read, then the key goes");
    Ok(())
}

/// Outcomes of the parameters of `incomplete`, without those of others that the call served too.
fn own(record: &serde_json::Value) -> Vec<(&str, &str)> {
    let mut own = outcomes(record);
    own.retain(|(name, _)| ["/shop/here", "/shop/password", "/shop/user"].contains(name));
    own.sort_unstable();
    own
}

/// A missing version or label is told from a missing parameter.
pub async fn versions_are_told_from_parameters(world: &World) -> Result<()> {
    world.aws.put("/shop/young", "one");
    let pinned = json!({"key": "PINNED", "parameter": "/shop/young", "version": 2});
    let labelled = json!({"key": "LABELLED", "parameter": "/shop/young", "label": "prod"});
    let nowhere = json!({"key": "NOWHERE", "parameter": "/shop/nowhere", "version": 1});
    world.apply(&object("early", &[], &json!({"data": [pinned, labelled]}))).await?;
    world.apply(&object("mixed", &[], &json!({"data": [pinned, nowhere]}))).await?;
    let parts = ["/shop/young:2", "/shop/young:prod", ACCOUNT, REGION, "label"];
    fails(world, "early", "VersionNotFound", "Stalled", &parts).await?;
    fails(world, "mixed", "ParameterNotFound", "Stalled", &["/shop/nowhere:1", "/shop/young:2"]).await?;
    joins(world, &recorded(world, "early", "VersionNotFound", &[]).await?)?;

    let asked = calls(world, "early")?;
    let base = json!({"names": ["/shop/young"], "withDecryption": false});
    let re_asked = asked.iter().any(|call| call["cloudtrail"]["requestParameters"] == base);
    assert!(re_asked, "not re-asked by the base name: {asked:?}");
    let own = asked.iter().flat_map(outcomes).filter(|(name, _)| *name == "/shop/young");
    assert!(own.into_iter().all(|(_, outcome)| outcome != "Decrypted"), "{asked:?}");

    world.aws.put("/shop/young", "two");
    world.aws.label("/shop/young", 1, "prod");
    sync(world, "early").await?;
    world.synced("early").await?;
    world.wait_for_secret("early", &[("PINNED", "two"), ("LABELLED", "one")]).await?;
    Ok(())
}

/// A label that moves changes the Secret; a fixed version stays.
pub async fn labels_move(world: &World) -> Result<()> {
    world.aws.put("/shop/labelled", "one");
    world.aws.label("/shop/labelled", 1, "prod");
    let data = json!([
        {"key": "NEWEST", "parameter": "/shop/labelled"},
        {"key": "PINNED", "parameter": "/shop/labelled", "version": 1},
        {"key": "LABELLED", "parameter": "/shop/labelled", "label": "prod"},
    ]);
    world.apply(&object("labelled", &[], &json!({"data": data}))).await?;
    world.synced("labelled").await?;
    world.wait_for_secret("labelled", &[("NEWEST", "one"), ("PINNED", "one"), ("LABELLED", "one")]).await?;

    world.aws.put("/shop/labelled", "two");
    world.wait_for_secret("labelled", &[("NEWEST", "two"), ("PINNED", "one"), ("LABELLED", "one")]).await?;
    world.aws.label("/shop/labelled", 2, "prod");
    world.wait_for_secret("labelled", &[("NEWEST", "two"), ("PINNED", "one"), ("LABELLED", "two")]).await?;
    let labelled = |object: &secure_parameter_operator::api::SecureParameter| {
        let parameters = object.status.iter().flat_map(|status| &status.parameters);
        parameters.filter(|p| p.label.as_deref() == Some("prod")).map(|p| p.version).eq([2])
    };
    world.wait_until("labelled", "the status to show what the label means", labelled).await?;
    Ok(())
}
