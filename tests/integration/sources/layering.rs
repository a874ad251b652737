//! Layered configuration: several sources give the same keys, and the later one wins.

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::{World, message, object, store};

fn layered(rule: &str) -> Value {
    let sources = json!([
        {"path": "/shop/base", "recursive": true, "keys": {"style": "EnvVar"}},
        {"parameter": "/shop/overrides", "format": "JSON", "include": ["DB_*", "MODE"], "exclude": ["*_OLD"]},
        {"path": "/shop/local", "optional": true},
        {"parameter": "/shop/absent", "format": "Dotenv", "optional": true},
    ]);
    let spec = json!({"dataFrom": sources, "keyConflicts": rule});
    object("checkout", &[("MODE", "/shop/mode")], &spec)
}

#[tokio::test]
async fn later_sources_override_earlier_ones_with_last_wins() -> Result<()> {
    let world = World::start().await?;
    for (name, value) in [("db/host", "base"), ("db/user", "base"), ("2nd", "base")] {
        world.aws.put(&format!("/shop/base/{name}"), value);
    }
    world.aws.put("/shop/overrides", r#"{"DB_HOST": "json", "DB_OLD": "no", "MODE": "json", "OTHER": "no"}"#);
    world.aws.put("/shop/mode", "data");
    world.apply(&layered("Fail")).await?;
    let failed = world.wait_for("checkout", "False", "KeyCollision").await?;
    for part in ["DB_HOST", "/shop/base/db/host", "/shop/overrides", "keyConflicts"] {
        assert!(message(&failed).contains(part), "{}", message(&failed));
    }
    world.apply(&layered("LastWins")).await?;
    let expected = [("DB_HOST", "json"), ("DB_USER", "base"), ("MODE", "data"), ("_2ND", "base")];
    world.wait_for_secret("checkout", &expected).await?;
    // A path that was empty is a layer as soon as it has a parameter.
    world.aws.put("/shop/local/DB_USER", "local");
    let expected = [("DB_HOST", "json"), ("DB_USER", "local"), ("MODE", "data"), ("_2ND", "base")];
    world.wait_for_secret("checkout", &expected).await
}

#[tokio::test]
async fn the_prefix_of_a_store_comes_before_names_and_paths() -> Result<()> {
    let world = World::start().await?;
    for (name, value) in [("/prod/shop/a", "a"), ("/prod/shop/tree/b", "b"), ("/shop/a", "not this")] {
        world.aws.put(name, value);
    }
    let access = json!([{"name": "own", "namespaces": {"from": "All"}, "parameters": ["/prod/{namespace}/**"]}]);
    world.apply(&store("prod", &json!({"prefix": "/prod", "access": access}))).await?;
    let reading = |name: &str| {
        let spec = json!({"storeRef": {"name": "prod"}, "dataFrom": [{"path": "/shop/tree"}]});
        object("checkout", &[("A", name)], &spec)
    };
    world.apply(&reading("/shop/a")).await?;
    world.wait_for_secret("checkout", &[("A", "a"), ("b", "b")]).await?;
    world.apply(&reading("/other/a")).await?;
    let denied = world.wait_for("checkout", "False", "PolicyDenied").await?;
    for part in ["/prod/other/a", "ClusterParameterStore prod", "a new rule that selects namespace"] {
        assert!(message(&denied).contains(part), "{}", message(&denied));
    }
    Ok(())
}
