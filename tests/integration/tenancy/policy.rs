//! What the store does not grant is not read; what it grants is read at once.

use anyhow::Result;
use serde_json::{Value, json};

use crate::failures::{calls, echoed, fails, force, reads, snapshot};
use crate::support::{World, object, store};

/// A store that grants namespaces this glob beside what every store of the tests grants.
fn granting(name: &str, namespaces: &Value, glob: &str) -> Value {
    let usual = json!({"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"]});
    store(name, &json!({"access": [usual, {"name": "more", "namespaces": namespaces, "parameters": [glob]}]}))
}

/// An object that reads from this store, and does not poll: whatever happens, a watch has noticed.
fn reading_from(store: &str, data: &[(&str, &str)]) -> Value {
    object(store, data, &json!({"storeRef": {"name": store}, "refreshInterval": "0s"}))
}

/// A grant takes effect at once; its withdrawal keeps the Secret, and nothing is asked of AWS any more.
pub async fn grants(world: &World) -> Result<()> {
    world.aws.put("/shop/granted", "alpha");
    world.aws.put("/common/granted", "beta");
    world.apply(&store("granting", &json!({}))).await?;
    world.apply(&reading_from("granting", &[("A", "/shop/granted"), ("B", "/common/granted")])).await?;
    let parts = ["Namespace shop", "/common/granted", "ClusterParameterStore granting", "spec.access"];
    let message = fails(world, "granting", "PolicyDenied", "Stalled", &parts).await?;
    assert!(!message.contains("/shop/granted"), "{message}");
    assert_eq!((calls(world, "granting")?.len(), world.secret("granting").await?), (0, None));
    world.event("granting", "PolicyDenied", &[]).await?;

    world.apply(&granting("granting", &json!({"from": "Names", "names": ["shop"]}), "/common/*")).await?;
    world.synced("granting").await?;
    world.wait_for_secret("granting", &[("A", "alpha"), ("B", "beta")]).await?;

    let before = snapshot(world, "granting").await?;
    world.apply(&store("granting", &json!({}))).await?;
    let parts = ["/common/granted", "Secret granting is kept as it was"];
    fails(world, "granting", "PolicyDenied", "Stalled", &parts).await?;
    world.aws.put("/common/granted", "rotated");
    let asked = reads(&calls(world, "granting")?);
    let token = force(world, "granting").await?;
    assert_eq!(snapshot(world, "granting").await?, before);

    world.apply(&granting("granting", &json!({"from": "Names", "names": ["shop"]}), "/common/granted")).await?;
    echoed(world, "granting", &token).await?;
    world.wait_for_secret("granting", &[("A", "alpha"), ("B", "rotated")]).await?;
    world.synced("granting").await?;
    assert_eq!(reads(&calls(world, "granting")?), asked + 1, "while it was denied, not even what is granted still");
    Ok(())
}

/// Labels of the namespace take effect at once.
pub async fn labels_of_namespaces(world: &World) -> Result<()> {
    world.aws.put("/common/labelled", "value");
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"team": "payments"}}});
    world.apply(&granting("selecting", &selector, "/common/**")).await?;
    world.apply(&reading_from("selecting", &[("A", "/common/labelled")])).await?;
    fails(world, "selecting", "PolicyDenied", "Stalled", &["Namespace shop", "/common/labelled"]).await?;

    world.plane.kubectl(["label", "namespace", "shop", "team=payments"]).await?;
    world.synced("selecting").await?;
    let before = snapshot(world, "selecting").await?;
    world.plane.kubectl(["label", "--overwrite", "namespace", "shop", "team=other"]).await?;
    fails(world, "selecting", "PolicyDenied", "Stalled", &["kept as it was"]).await?;
    assert_eq!(snapshot(world, "selecting").await?, before);
    Ok(())
}
