//! Parameters, versions and labels that are not there, appear, move and go.

use anyhow::{Context, Result};
use serde_json::json;

use super::{ACCOUNT, REGION, calls, decrypting, fails, joins, outcomes, recorded, snapshot, sync};
use crate::support::{World, object};

#[tokio::test]
async fn missing_parameters_are_named_all_at_once_and_found_when_they_appear() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/here", "here");
    let data = [("HERE", "/shop/here"), ("USER", "/shop/user"), ("PASSWORD", "/shop/password")];
    world.apply(&object("checkout", &data, &json!({}))).await?;
    let parts = ["/shop/password, /shop/user", ACCOUNT, REGION];
    let message = fails(&world, "checkout", "ParameterNotFound", "Stalled", &parts).await?;
    assert!(!message.contains("/shop/here"), "{message}");
    assert_eq!(world.secret("checkout").await?, None, "whole or not at all");
    let record = recorded(&world, "checkout", "ParameterNotFound", &[]).await?;
    joins(&world, &record)?;
    let expected = [("/shop/here", "Decrypted"), ("/shop/password", "NotFound"), ("/shop/user", "NotFound")];
    assert_eq!(outcomes(&record), expected);

    // One appears: the other is still missed, at the next look and without anybody's asking.
    world.aws.put("/shop/user", "user");
    let events = world.events("checkout").await?;
    let record = recorded(&world, "checkout", "ParameterNotFound", &events).await?;
    assert_eq!(outcomes(&record)[2], ("/shop/user", "Decrypted"));
    world.aws.put("/shop/password", "password");
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("HERE", "here"), ("USER", "user"), ("PASSWORD", "password")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_parameter_keeps_its_secret_and_an_optional_key_goes_after_two_looks() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.aws.put("/shop/b", "beta");
    world.apply(&object("strict", &[("A", "/shop/a")], &json!({}))).await?;
    let extra = json!({"key": "EXTRA", "parameter": "/shop/extra", "optional": true});
    let data = json!([{"key": "B", "parameter": "/shop/b"}, extra]);
    world.apply(&object("loose", &[], &json!({"data": data}))).await?;
    world.synced("strict").await?;
    world.synced("loose").await?;
    world.wait_for_secret("loose", &[("B", "beta")]).await?;

    let before = snapshot(&world, "strict").await?;
    world.aws.put("/shop/extra", "extra");
    world.aws.delete("/shop/a");
    world.wait_for_secret("loose", &[("B", "beta"), ("EXTRA", "extra")]).await?;
    let parts = ["/shop/a", "Secret strict is kept as it was"];
    fails(&world, "strict", "ParameterNotFound", "Stalled", &parts).await?;
    assert_eq!(snapshot(&world, "strict").await?, before);
    joins(&world, &recorded(&world, "strict", "ParameterNotFound", &[]).await?)?;

    // A parameter that is deleted and made again begins anew with version 1.
    let so_far = calls(&world, "loose")?.len();
    world.aws.put("/shop/a", "again");
    world.aws.delete("/shop/extra");
    world.wait_for_secret("loose", &[("B", "beta")]).await?;
    world.wait_for_secret("strict", &[("A", "again")]).await?;
    let synced = world.synced("loose").await?;
    super::says(&synced, &["1 key from 1 parameter"])?;
    let calls = calls(&world, "loose")?.split_off(so_far);
    let missed = calls.iter().filter(|call| outcomes(call).contains(&("/shop/extra", "NotFound")));
    let purposes: Vec<_> = missed.map(|call| call["objects"][0]["reason"].as_str().unwrap_or_default()).collect();
    assert_eq!(purposes[..3], ["VersionCheck", "VersionCheck", "ParameterChanged"], "two looks, then the key goes");
    Ok(())
}

#[tokio::test]
async fn a_missing_version_is_told_from_a_missing_parameter() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "one");
    let pinned = json!({"key": "PINNED", "parameter": "/shop/a", "version": 2});
    let labelled = json!({"key": "LABELLED", "parameter": "/shop/a", "label": "prod"});
    let nowhere = json!({"key": "NOWHERE", "parameter": "/shop/nowhere", "version": 1});
    world.apply(&object("checkout", &[], &json!({"data": [pinned, labelled]}))).await?;
    world.apply(&object("mixed", &[], &json!({"data": [pinned, nowhere]}))).await?;
    let parts = ["/shop/a:2", "/shop/a:prod", ACCOUNT, REGION, "label"];
    fails(&world, "checkout", "VersionNotFound", "Stalled", &parts).await?;
    fails(&world, "mixed", "ParameterNotFound", "Stalled", &["/shop/nowhere:1", "/shop/a:2"]).await?;
    joins(&world, &recorded(&world, "checkout", "VersionNotFound", &[]).await?)?;

    let asked = calls(&world, "checkout")?;
    let last = &asked.last().context("no call")?["cloudtrail"]["requestParameters"];
    assert_eq!(last, &json!({"names": ["/shop/a"], "withDecryption": false}), "re-asked by the base name");
    assert_eq!((decrypting(&asked), world.aws.decrypts()), (2, 0), "a call for each selection of one parameter");

    world.aws.put("/shop/a", "two");
    world.aws.label("/shop/a", 1, "prod");
    sync(&world, "checkout").await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("PINNED", "two"), ("LABELLED", "one")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_label_that_moves_changes_the_secret_and_a_fixed_version_stays() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "one");
    world.aws.label("/shop/a", 1, "prod");
    let data = json!([
        {"key": "NEWEST", "parameter": "/shop/a"},
        {"key": "PINNED", "parameter": "/shop/a", "version": 1},
        {"key": "LABELLED", "parameter": "/shop/a", "label": "prod"},
    ]);
    world.apply(&object("checkout", &[], &json!({"data": data}))).await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("NEWEST", "one"), ("PINNED", "one"), ("LABELLED", "one")]).await?;

    world.aws.put("/shop/a", "two");
    world.wait_for_secret("checkout", &[("NEWEST", "two"), ("PINNED", "one"), ("LABELLED", "one")]).await?;
    world.aws.label("/shop/a", 2, "prod");
    world.wait_for_secret("checkout", &[("NEWEST", "two"), ("PINNED", "one"), ("LABELLED", "two")]).await?;
    let labelled = |object: &secure_parameter_operator::api::SecureParameter| {
        let parameters = object.status.iter().flat_map(|status| &status.parameters);
        parameters.filter(|p| p.label.as_deref() == Some("prod")).map(|p| p.version).eq([2])
    };
    world.wait_until("checkout", "the status to show what the label means", labelled).await?;
    Ok(())
}
