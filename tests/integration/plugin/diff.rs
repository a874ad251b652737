//! `diff`: which keys a manifest would change.

use std::{fmt::Write, fs};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{
    User, golden,
    worlds::{checkout, healthy},
};

/// Changes a manifest.
fn changed(mut manifest: Value, change: impl FnOnce(&mut Value)) -> String {
    change(&mut manifest["spec"]);
    manifest.to_string()
}

#[tokio::test]
async fn a_manifest_is_compared_in_keys() -> Result<()> {
    let world = healthy().await?;
    let user = User::with_role(&world, "view").await?;
    let object = checkout(&world);
    let mut all = String::new();
    for (what, manifest, code) in [
        ("the same manifest", object.to_string(), 0),
        (
            "keys of all kinds",
            changed(object.clone(), |spec| {
                spec["data"] = json!([
                    {"key": "DB_PASSWORD", "parameter": "/shop/db-password", "version": 1},
                    {"key": "TOKEN", "parameter": "/shop/token"},
                ]);
                spec["dataFrom"] = json!([{"path": "/shop/app", "exclude": ["smtp-*"], "keys": {"style": "EnvVar"}}]);
                spec["target"]["template"]["data"]["URL"] = json!("mysql://app:{{ DB_PASSWORD }}@db");
            }),
            1,
        ),
        (
            "another Secret of another type",
            changed(object.clone(), |spec| {
                spec["target"] = json!({"name": "other", "type": "example.com/credentials"});
            }),
            1,
        ),
        (
            "a parameter that no rule grants",
            changed(object.clone(), |spec| {
                spec["data"][0]["parameter"] = json!("/other/db-password");
            }),
            1,
        ),
        (
            "a template that is not valid",
            changed(object.clone(), |spec| {
                spec["target"]["template"]["data"]["URL"] = json!("{{ DB_PASSWORD");
            }),
            1,
        ),
        ("another store", changed(object.clone(), |spec| spec["storeRef"] = json!({"name": "absent"})), 1),
        ("a new object", world.object("new", &[("A", "/shop/token")], &json!({})).to_string(), 1),
    ] {
        let outcome = user.run_with(&["diff", "-n", "shop", "-f", "-"], &manifest).await?;
        ensure!(outcome.code == code && outcome.error.is_empty(), "{what}: {outcome:?}");
        writeln!(all, "# {what}\n{}", outcome.output)?;
    }
    golden::check("diff.txt", &all)?;
    assert_eq!(
        user.prints(&["diff", "checkout", "-n", "shop"]).await?,
        "SecureParameter shop/checkout\n  No key changes.\n"
    );

    let file = world.plane.folder().join("changed.yaml");
    fs::write(&file, changed(object, |spec| spec["data"] = json!([{"key": "A", "parameter": "/shop/token"}])))?;
    let path = file.display().to_string();
    let outcome = user.run(&["diff", "checkout", "-f", &path, "-o", "json"]).await?;
    golden::check("diff.json", &outcome.output)?;
    user.is_told(&["diff", "other", "-f", &path], &["No SecureParameter was found in the manifests"]).await
}

/// What a suspended object would change once it is resumed.
#[tokio::test]
async fn what_waits_for_a_resume_is_shown() -> Result<()> {
    let world = healthy().await?;
    let user = User::admin(&world)?;
    let manifest = changed(checkout(&world), |spec| {
        spec["suspend"] = json!(true);
        spec["data"] = json!([{"key": "TOKEN", "parameter": "/shop/token"}]);
    });
    world.plane.kubectl_stdin(["apply", "-f", "-"], &manifest).await?;
    let outcome = user.run(&["diff", "checkout", "-n", "shop"]).await?;
    assert_eq!(outcome.code, 1);
    golden::check("diff-pending.txt", &outcome.output)
}
