//! `health.lua`, run by the Lua of Argo CD, says the right thing about objects of every reason.

use std::{collections::BTreeSet, fs};

use anyhow::{Result, ensure};
use secure_parameter_operator::api::Reason;
use serde_json::{Value, json};

use super::{customization, lua, recorded, text, yaml};
use crate::support::{World, object, same_as_file};

const KINDS: [&str; 3] = ["SecureParameter", "ParameterStore", "ClusterParameterStore"];

async fn health(kind: &str, object: &Value) -> Result<(String, String)> {
    let health = lua(&text(&customization(kind, "health.lua"))?, object).await?;
    let field = |name: &str| health[name].as_str().unwrap_or_default().to_owned();
    Ok((field("status"), field("message")))
}

/// `UPDATE=1` rewrites the recorded objects and the list of tests beside them, which has the form of Argo CD's own.
#[tokio::test]
async fn every_reason_has_the_right_health() -> Result<()> {
    for kind in KINDS {
        let mut tests = Vec::new();
        for recorded in recorded::objects(kind)? {
            let (status, message) = &recorded.health;
            let found = health(kind, &recorded.object).await?;
            assert_eq!(found, ((*status).to_owned(), message.clone()), "{kind} {}", recorded.name);
            let input = format!("testdata/{}.yaml", recorded.name);
            let file = customization(kind, &input);
            same_as_file(&file, &serde_yaml::to_string(&recorded.object)?, "gitops::health")?;
            tests.push(json!({"healthStatus": {"status": status, "message": message}, "inputPath": input}));
        }
        let file = customization(kind, "health_test.yaml");
        same_as_file(&file, &serde_yaml::to_string(&json!({"tests": tests}))?, "gitops::health")?;
        let files = fs::read_dir(customization(kind, "testdata"))?.count();
        ensure!(files == tests.len(), "{kind}: {files} files, {} tests", tests.len());
    }
    Ok(())
}

/// Holds the files to their promise without this repository's code, as Argo CD's own tests do.
#[tokio::test]
async fn the_list_of_tests_passes_and_covers_every_reason() -> Result<()> {
    let mut seen = BTreeSet::new();
    for kind in KINDS {
        for test in yaml(&customization(kind, "health_test.yaml"))?["tests"].as_array().into_iter().flatten() {
            let object = yaml(&customization(kind, test["inputPath"].as_str().unwrap_or_default()))?;
            let (status, message) = health(kind, &object).await?;
            assert_eq!(
                json!({"status": status, "message": message}),
                test["healthStatus"],
                "{kind} {}",
                test["inputPath"]
            );
            let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            seen.extend(conditions.filter_map(|condition| condition["reason"].as_str()).map(str::to_owned));
        }
    }
    let all: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect();
    assert_eq!(seen, all);
    Ok(())
}

#[tokio::test]
async fn what_the_operator_has_not_seen_yet_is_in_progress() -> Result<()> {
    for kind in KINDS {
        let synced = recorded::objects(kind)?.remove(0).object;
        assert_eq!(health(kind, &synced).await?.0, "Healthy");
        let changed = |path: &[&str], value: Value| {
            let mut object = synced.clone();
            path.iter().fold(&mut object, |at, field| &mut at[*field]).clone_from(&value);
            object
        };
        for object in [
            recorded::bare(kind),
            changed(&["metadata", "generation"], json!(3)),
            changed(&["metadata", "deletionTimestamp"], json!("2026-01-01T00:00:00Z")),
            changed(&["status", "conditions"], json!([])),
            changed(&["status"], json!({"observedGeneration": 2})),
        ] {
            assert_eq!(health(kind, &object).await?.0, "Progressing", "{object}");
        }
    }
    let mut store = recorded::objects("ParameterStore")?.remove(0).object;
    store["status"]["warnings"] = json!(["A key is disabled.", "Another too."]);
    let (status, message) = health("ParameterStore", &store).await?;
    assert_eq!(status, "Healthy");
    ensure!(message.ends_with(" A key is disabled. Another too."), "{message}");
    Ok(())
}

#[tokio::test]
async fn what_a_running_operator_reports_has_the_right_health() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/password", "value");
    let data = |parameter: &'static str| [("PASSWORD", parameter)];
    world.apply(&object("good", &data("/shop/password"), &json!({}))).await?;
    world.apply(&object("denied", &data("/billing/password"), &json!({}))).await?;
    world.apply(&object("lost", &data("/shop/password"), &json!({"storeRef": {"name": "none"}}))).await?;
    world.apply(&object("paused", &data("/shop/password"), &json!({"suspend": true}))).await?;
    world.wait_for("good", "True", "Synced").await?;
    world.wait_for("denied", "False", "PolicyDenied").await?;
    world.wait_for("lost", "False", "StoreNotFound").await?;
    world.wait_for("paused", "Unknown", "Suspended").await?;
    for (name, expected) in
        [("good", "Healthy"), ("denied", "Degraded"), ("lost", "Progressing"), ("paused", "Suspended")]
    {
        let live = world.plane.kubectl(["get", "sparam", name, "--namespace=shop", "--output=json"]).await?;
        assert_eq!(health("SecureParameter", &serde_json::from_str(&live)?).await?.0, expected, "{name}");
    }
    world.wait_for_store("default", "Synced").await?;
    let store = world.plane.kubectl(["get", "clusterparameterstore", "default", "--output=json"]).await?;
    assert_eq!(health("ClusterParameterStore", &serde_json::from_str(&store)?).await?.0, "Healthy");
    Ok(())
}

#[test]
fn both_kinds_of_stores_have_the_same_script() -> Result<()> {
    let [one, other] = ["ParameterStore", "ClusterParameterStore"].map(|kind| text(&customization(kind, "health.lua")));
    assert_eq!(one?, other?);
    Ok(())
}
