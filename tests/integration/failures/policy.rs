//! What the store does not grant is not read; what it grants is read at once.

use anyhow::Result;
use serde_json::{Value, json};

use super::{calls, fails, snapshot, sync};
use crate::support::{World, object, store};

/// The default store with this rule for namespace `shop` beside the usual one.
fn granting(namespaces: &Value, glob: &str) -> Value {
    let usual = json!({"namespaces": {"all": true}, "parameters": ["/{namespace}/**"]});
    store("default", &json!({"access": [usual, {"namespaces": namespaces, "parameters": [glob]}]}))
}

#[tokio::test]
async fn a_grant_takes_effect_at_once_and_its_withdrawal_keeps_the_secret() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.aws.put("/common/b", "beta");
    let data = [("A", "/shop/a"), ("B", "/common/b")];
    world.apply(&object("checkout", &data, &json!({"refreshInterval": "1h"}))).await?;
    let parts = ["Namespace shop", "/common/b", "ClusterParameterStore default", "spec.access"];
    let message = fails(&world, "checkout", "PolicyDenied", "Stalled", &parts).await?;
    assert!(!message.contains("/shop/a"), "{message}");
    assert_eq!((world.aws.calls("GetParameters"), world.secret("checkout").await?), (0, None));
    world.event("checkout", "PolicyDenied", &[]).await?;

    world.apply(&granting(&json!({"names": ["shop"]}), "/common/*")).await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "alpha"), ("B", "beta")]).await?;

    let before = snapshot(&world, "checkout").await?;
    let asked = calls(&world, "checkout")?.len();
    world.apply(&store("default", &json!({}))).await?;
    fails(&world, "checkout", "PolicyDenied", "Stalled", &["/common/b", "Secret checkout is kept as it was"]).await?;
    sync(&world, "checkout").await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    assert_eq!(calls(&world, "checkout")?.len(), asked, "nothing is asked of AWS, not even /shop/a");

    world.apply(&granting(&json!({"names": ["shop"]}), "/common/b")).await?;
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn labels_of_the_namespace_take_effect_at_once() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/common/b", "beta");
    let selector = json!({"selector": {"matchLabels": {"team": "payments"}}});
    world.apply(&granting(&selector, "/common/**")).await?;
    world.apply(&object("checkout", &[("B", "/common/b")], &json!({"refreshInterval": "1h"}))).await?;
    fails(&world, "checkout", "PolicyDenied", "Stalled", &["Namespace shop", "/common/b"]).await?;

    world.plane.kubectl(["label", "namespace", "shop", "team=payments"]).await?;
    world.synced("checkout").await?;
    let before = snapshot(&world, "checkout").await?;
    world.plane.kubectl(["label", "--overwrite", "namespace", "shop", "team=other"]).await?;
    fails(&world, "checkout", "PolicyDenied", "Stalled", &["kept as it was"]).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    Ok(())
}
