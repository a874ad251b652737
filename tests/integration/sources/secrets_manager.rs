//! Secrets of Secrets Manager, read through Parameter Store.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object, store, sync};

/// What Parameter Store puts before the name of a secret.
const REFERENCE: &str = "/aws/reference/secretsmanager";

/// The secret's value, with this number in its password.
fn stage(number: u8) -> String {
    format!(r#"{{"user": "app", "password": "s3cr3t-{number}"}}"#)
}

/// Waits until the Secret holds the secret with this number, and this value of the plain parameter.
async fn holds(world: &World, number: u8, plain: &str) -> Result<()> {
    let password = format!("s3cr3t-{number}");
    let staged = stage(number);
    let keys = [("PASSWORD", &*password), ("PLAIN", plain), ("SPECIAL", "special"), ("STAGED", &*staged)];
    world.wait_for_secret("checkout", &keys).await
}

/// A store that grants each namespace the secrets below its name too.
fn granting_references() -> Value {
    let parameters = ["/{namespace}/**", "/aws/reference/secretsmanager/{namespace}/**"];
    store(
        "default",
        &json!({"access": [{"name": "own-paths", "namespaces": {"from": "All"}, "parameters": parameters}]}),
    )
}

fn checkout() -> Value {
    let reference = |name: &str| format!("{REFERENCE}/shop/{name}");
    let data = json!([
        {"key": "PASSWORD", "parameter": reference("db"), "jsonPath": "$.password"},
        {"key": "STAGED", "parameter": reference("db"), "label": "AWSCURRENT"},
        {"key": "PLAIN", "parameter": "/shop/plain"},
        {"key": "SPECIAL", "parameter": reference("key=1@x")},
        {"key": "NONE", "parameter": reference("none"), "optional": true},
    ]);
    object("checkout", &[], &json!({"data": data}))
}

#[tokio::test]
async fn secrets_are_read_once_and_again_when_asked() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.apply(&granting_references()).await?;
    world.start_operator().await?;
    world.aws.put_secret("shop/key=1@x", "special");
    world.aws.put_secret("shop/db", &stage(1));
    world.aws.put("/shop/plain", "value");
    world.apply(&checkout()).await?;
    holds(&world, 1, "value").await?;
    let synced = world.synced("checkout").await?.status.context("a status")?;
    let arns: Vec<_> = synced.parameters.iter().map(|parameter| parameter.arn.as_str()).collect();
    assert!(arns.iter().any(|arn| arn.contains(":secretsmanager:") && arn.contains(":secret:shop/db-")), "{arns:?}");

    // Their versions cannot be checked without decryption, so the refresh interval does not apply to them.
    world.aws.clear_records();
    eventually("version checks of the other parameter", PATIENCE, async || {
        Ok((world.aws.calls("GetParameters") >= 3).then_some(()))
    })
    .await?;
    assert_eq!(world.aws.calls("GetSecretValue"), 0);

    world.aws.put_secret("shop/db", &stage(2));
    sync(&world, "checkout").await?;
    holds(&world, 2, "value").await?;
    assert!(!world.operator().log()?.contains("s3cr3t"), "the log contains no value");
    world.aws.put("/shop/plain", "other");
    holds(&world, 2, "other").await
}
