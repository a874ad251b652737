//! Types and immutability, which Kubernetes does not let a Secret change in place.

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{Group, PATIENCE, World};

/// An object that does not poll, with this target.
fn typed(world: &World, target: &Value) -> Value {
    world.object("checkout", &[("KEY", &world.path("key"))], &json!({"refreshInterval": "0s", "target": target}))
}

async fn shared(namespace: &str) -> Result<World> {
    let world = World::shared(Group::Secrets, namespace).await?;
    world.aws.put(&world.path("key"), "value");
    Ok(world)
}

#[tokio::test]
async fn a_changed_type_recreates_the_secret() -> Result<()> {
    let world = shared("typed").await?;
    world.apply(&typed(&world, &json!({}))).await?;
    world.synced("checkout").await?;
    let before = world.api::<Secret>().get("checkout").await?;
    world.apply(&typed(&world, &json!({"type": "example.com/password"}))).await?;
    let after = eventually("the Secret to have its new type", PATIENCE, async || {
        let secret = world.api::<Secret>().get_opt("checkout").await?;
        Ok(secret.filter(|secret| secret.type_.as_deref() == Some("example.com/password")))
    })
    .await?;
    assert_ne!(before.uid(), after.uid());
    world.synced("checkout").await?;

    // A type whose required keys are missing is refused before the Secret is deleted.
    world.apply(&typed(&world, &json!({"type": "kubernetes.io/tls"}))).await?;
    world.wait_for("checkout", "False", "InvalidSpec").await?;
    assert_eq!(world.api::<Secret>().get("checkout").await?.uid(), after.uid());
    Ok(())
}

#[tokio::test]
async fn an_immutable_secret_is_recreated_for_a_new_value() -> Result<()> {
    let world = shared("immutable").await?;
    let key = world.path("key");
    let spec =
        |immutable: bool| world.object("checkout", &[("KEY", &key)], &json!({"target": {"immutable": immutable}}));
    world.apply(&spec(true)).await?;
    world.synced("checkout").await?;
    let before = world.api::<Secret>().get("checkout").await?;
    assert_eq!(before.immutable, Some(true));
    world.aws.put(&key, "newer");
    world.wait_for_secret("checkout", &[("KEY", "newer")]).await?;
    let after = world.api::<Secret>().get("checkout").await?;
    assert_eq!(after.immutable, Some(true));
    assert_ne!(before.uid(), after.uid());
    world.apply(&spec(false)).await?;
    eventually("the Secret to be mutable", PATIENCE, async || {
        let secret = world.api::<Secret>().get_opt("checkout").await?;
        Ok(secret.filter(|secret| secret.immutable.is_none()))
    })
    .await?;
    world.synced("checkout").await?;
    Ok(())
}
