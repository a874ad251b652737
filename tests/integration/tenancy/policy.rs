//! Access rules of a store: only granted parameters are read.

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::{Group, World, calls, echoed, fails, force, outcome, snapshot, store};

/// A store that grants `namespaces` this glob, in addition to what every store of the tests grants.
pub fn granting(name: &str, namespaces: &Value, glob: &str) -> Value {
    let usual = json!({"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"]});
    store(name, &json!({"access": [usual, {"name": "more", "namespaces": namespaces, "parameters": [glob]}]}))
}

/// An object that reads from this store and does not poll, so that only a watch can have noticed a change.
pub fn reading_from(world: &World, store: &str, data: &[(&str, &str)]) -> Value {
    world.object(store, data, &json!({"storeRef": {"name": store}, "refreshInterval": "0s"}))
}

/// While one parameter is denied, nothing is read for the object.
#[tokio::test]
async fn a_grant_takes_effect_at_once_and_its_withdrawal_keeps_the_secret() -> Result<()> {
    let world = &World::shared(Group::Failures, "grants").await?;
    world.aws.put("/grants/granted", "alpha");
    world.aws.put("/common/granted", "beta");
    world.apply(&store("granting", &json!({}))).await?;
    world.apply(&reading_from(world, "granting", &[("A", "/grants/granted"), ("B", "/common/granted")])).await?;
    let parts = ["Namespace grants", "/common/granted", "ClusterParameterStore granting", "spec.access"];
    let message = fails(world, "granting", "PolicyDenied", "Stalled", &parts).await?;
    assert!(!message.contains("/grants/granted"), "{message}");
    assert_eq!((calls(world, "granting")?.len(), world.secret("granting").await?), (0, None));
    world.event("granting", "PolicyDenied", &[]).await?;

    world.apply(&granting("granting", &json!({"from": "Names", "names": ["grants"]}), "/common/*")).await?;
    world.synced("granting").await?;
    world.wait_for_secret("granting", &[("A", "alpha"), ("B", "beta")]).await?;

    let before = snapshot(world, "granting").await?;
    world.apply(&store("granting", &json!({}))).await?;
    let parts = ["/common/granted", "Secret granting is kept as it was"];
    fails(world, "granting", "PolicyDenied", "Stalled", &parts).await?;
    world.aws.put("/common/granted", "rotated");
    let asked = calls(world, "granting")?.len();
    let token = force(world, "granting").await?;
    assert_eq!(snapshot(world, "granting").await?, before);

    world.apply(&granting("granting", &json!({"from": "Names", "names": ["grants"]}), "/common/granted")).await?;
    echoed(world, "granting", &token).await?;
    world.wait_for_secret("granting", &[("A", "alpha"), ("B", "rotated")]).await?;
    world.synced("granting").await?;
    let later = calls(world, "granting")?.split_off(asked);
    for name in ["/grants/granted", "/common/granted"] {
        let read = later.iter().filter(|call| outcome(call, name) == Some("Decrypted")).count();
        assert_eq!(read, 1, "{name} was read while a parameter was denied");
    }
    Ok(())
}
