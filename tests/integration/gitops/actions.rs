//! The actions refresh, suspend and resume, run by the Lua of Argo CD.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{customization, lua, text, yaml};
use crate::support::{World, object};

/// The folder of the actions.
fn file(path: &str) -> std::path::PathBuf {
    customization("SecureParameter", "actions").join(path)
}

async fn act(action: &str, object: &Value) -> Result<Value> {
    lua(&text(&file(&format!("{action}/action.lua")))?, object).await
}

/// The names of the actions that one can choose.
async fn choices(object: &Value) -> Result<Vec<String>> {
    let found = lua(&text(&file("discovery.lua"))?, object).await?;
    let actions = found.as_object().context("actions")?.iter();
    Ok(actions.filter(|(_, action)| action["disabled"] == false).map(|(name, _)| name.clone()).collect())
}

/// As Argo CD's own tests do.
#[tokio::test]
async fn the_list_of_tests_passes() -> Result<()> {
    let list = yaml(&file("action_test.yaml"))?;
    let input = |test: &Value, field: &str| yaml(&file(test[field].as_str().unwrap_or_default()));
    let tests = |name: &str| list[name].as_array().cloned().unwrap_or_default();
    for test in tests("discoveryTests") {
        let found = lua(&text(&file("discovery.lua"))?, &input(&test, "inputPath")?).await?;
        let expected = test["result"].as_array().context("a result")?;
        let expected: serde_json::Map<_, _> = expected
            .iter()
            .map(|action| {
                (action["name"].as_str().unwrap_or_default().to_owned(), json!({"disabled": action["disabled"]}))
            })
            .collect();
        assert_eq!(found, Value::Object(expected), "{}", test["inputPath"]);
    }
    for test in tests("actionTests") {
        let found = act(test["action"].as_str().context("an action")?, &input(&test, "inputPath")?).await?;
        assert_eq!(found, input(&test, "expectedOutputPath")?, "{test}");
    }
    assert_eq!((tests("discoveryTests").len(), tests("actionTests").len()), (2, 4));
    Ok(())
}

/// What the scripts return, the API server takes, and the operator does.
#[tokio::test]
async fn the_operator_does_what_the_actions_ask_for() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/password", "value");
    world.apply(&object("checkout", &[("PASSWORD", "/shop/password")], &json!({}))).await?;
    world.synced("checkout").await?;
    let live = async || -> Result<Value> {
        let shown = world.plane.kubectl(["get", "sparam", "checkout", "--namespace=shop", "--output=json"]).await?;
        Ok(serde_json::from_str(&shown)?)
    };
    let perform = async |action: &str| -> Result<()> {
        let mut object = live().await?;
        let metadata = object["metadata"].as_object_mut().context("metadata")?;
        // The operator writes its status meanwhile.
        metadata.remove("resourceVersion");
        // Lua has one kind of empty table, for lists and for objects. Argo CD puts back what it was.
        metadata.remove("managedFields");
        let object = act(action, &object).await?;
        world.plane.kubectl_stdin(["replace", "-f", "-"], &object.to_string()).await.map(drop)
    };
    assert_eq!(choices(&live().await?).await?, ["refresh", "suspend"]);
    perform("refresh").await?;
    world
        .wait_until("checkout", "the annotation to be handled", |object| {
            object.status.as_ref().is_some_and(|status| status.last_handled_sync.is_some())
        })
        .await?;
    perform("suspend").await?;
    world
        .wait_until("checkout", "the object to be suspended", |object| {
            let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            conditions.iter().any(|condition| condition.type_ == "Suspended")
        })
        .await?;
    assert_eq!(choices(&live().await?).await?, ["resume"]);
    perform("resume").await?;
    world.synced("checkout").await?;
    assert_eq!(live().await?["spec"]["suspend"], Value::Null);
    Ok(())
}
