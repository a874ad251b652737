//! Rules that select namespaces by their labels.

use anyhow::Result;
use serde_json::json;

use super::policy::{granting, reading_from};
use crate::support::{Group, World, fails, snapshot};

#[tokio::test]
async fn labels_of_a_namespace_take_effect_at_once() -> Result<()> {
    let world = &World::shared(Group::Failures, "labelled").await?;
    world.aws.put("/common/labelled", "value");
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"team": "payments"}}});
    world.apply(&granting("selecting", &selector, "/common/**")).await?;
    world.apply(&reading_from(world, "selecting", &[("A", "/common/labelled")])).await?;
    fails(world, "selecting", "PolicyDenied", "Stalled", &["Namespace labelled", "/common/labelled"]).await?;

    world.plane.kubectl(["label", "namespace", "labelled", "team=payments"]).await?;
    world.synced("selecting").await?;
    let before = snapshot(world, "selecting").await?;
    world.plane.kubectl(["label", "--overwrite", "namespace", "labelled", "team=other"]).await?;
    fails(world, "selecting", "PolicyDenied", "Stalled", &["kept as it was"]).await?;
    assert_eq!(snapshot(world, "selecting").await?, before);
    Ok(())
}
