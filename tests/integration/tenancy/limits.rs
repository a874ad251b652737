//! What a namespace may use in total.

use anyhow::{Context, Result, ensure};
use kube::api::DeleteParams;
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, fails, object};

/// A world whose namespaces may use little.
async fn world() -> Result<World> {
    let mut world = World::without_operator().await?;
    world.set_arguments(&[
        "--max-parameters-per-namespace=3",
        "--max-paths-per-namespace=1",
        "--max-foreign-secrets-per-namespace=1",
    ]);
    for name in ["a", "b", "c", "d"] {
        world.aws.put(&format!("/shop/{name}"), name);
    }
    world.start_operator().await?;
    Ok(world)
}

/// Returns a metric.
async fn metric(world: &World, name: &str) -> Result<i64> {
    let (_, page) = world.operator().get("/metrics").await?;
    let line = page.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    Ok(line.trim().parse()?)
}

async fn reached(world: &World, limit: &str) -> Result<i64> {
    metric(world, &format!("secureparameter_namespace_limit_reached{{limit=\"{limit}\"}}")).await
}

fn path(name: &str, path: &str) -> Value {
    object(name, &[], &json!({"dataFrom": [{"path": path, "optional": true}]}))
}

#[tokio::test]
async fn whoever_goes_beyond_a_limit_is_told_and_nobody_else_is_affected() -> Result<()> {
    let world = world().await?;
    world.apply(&object("first", &[("A", "/shop/a"), ("B", "/shop/b")], &json!({}))).await?;
    world.synced("first").await?;
    world.apply(&object("second", &[("C", "/shop/c"), ("D", "/shop/d")], &json!({}))).await?;
    let parts = ["Namespace shop would use 4 parameters", "--max-parameters-per-namespace"];
    fails(&world, "second", "NamespaceLimitReached", "Stalled", &parts).await?;
    assert_eq!(world.secret("second").await?, None);
    world.apply(&object("shared", &[("A", "/shop/a"), ("C", "/shop/c")], &json!({}))).await?;
    world.synced("shared").await?;
    assert_eq!((reached(&world, "parameters").await?, reached(&world, "paths").await?), (1, 0));
    assert_eq!(metric(&world, "secureparameter_watched_parameters ").await?, 3);

    // The others go on as before, and what is below the limit is accepted at once.
    world.aws.put("/shop/a", "rotated");
    world.wait_for_secret("first", &[("A", "rotated"), ("B", "b")]).await?;
    world.apply(&object("second", &[("C", "/shop/c")], &json!({}))).await?;
    world.synced("second").await?;
    assert_eq!(reached(&world, "parameters").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_limit_that_others_leave_is_free_again() -> Result<()> {
    let world = world().await?;
    world.apply(&path("first", "/shop/empty/one")).await?;
    world.synced("first").await?;
    world.apply(&path("second", "/shop/empty/two")).await?;
    let parts = ["would use 2 paths", "--max-paths-per-namespace"];
    fails(&world, "second", "NamespaceLimitReached", "Stalled", &parts).await?;
    assert_eq!(metric(&world, "secureparameter_watched_paths ").await?, 1);
    world.api::<SecureParameter>().delete("first", &DeleteParams::default()).await?;
    // At its refresh interval.
    world.synced("second").await?;
    world.api::<SecureParameter>().delete("second", &DeleteParams::default()).await?;
    let nothing = async || {
        let left = metric(&world, "secureparameter_watched_paths ").await? + reached(&world, "paths").await?;
        Ok((left == 0).then_some(()))
    };
    eventually("nothing is watched", PATIENCE, nothing).await
}

#[tokio::test]
async fn secrets_of_others_are_limited_too() -> Result<()> {
    let world = world().await?;
    for name in ["one", "two"] {
        let metadata = json!({"name": name, "namespace": "shop"});
        world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})).await?;
    }
    world.apply(&object("one", &[("A", "/shop/a")], &json!({}))).await?;
    fails(&world, "one", "SecretConflict", "Stalled", &[]).await?;
    world.apply(&object("two", &[("A", "/shop/a")], &json!({}))).await?;
    let parts = ["would use 2 Secrets that the operator does not own"];
    let message = fails(&world, "two", "NamespaceLimitReached", "Stalled", &parts).await?;
    ensure!(message.contains("--max-foreign-secrets-per-namespace"), "{message}");
    Ok(())
}
