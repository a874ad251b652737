//! A suspended object: nothing is read, written or deleted for it.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use serde_json::json;

use crate::support::{World, object};

#[tokio::test]
async fn a_suspended_object_is_neither_read_nor_written() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/key", "value");
    let spec = |suspend: bool| object("checkout", &[("KEY", "/shop/key")], &json!({"suspend": suspend}));
    world.apply(&spec(true)).await?;
    let suspended = world.wait_for("checkout", "Unknown", "Suspended").await?;
    assert_eq!(suspended.status.context("a status")?.conditions.len(), 2);
    assert_eq!((world.secret("checkout").await?, world.aws.calls("GetParameters")), (None, 0));
    world.apply(&spec(false)).await?;
    world.synced("checkout").await?;

    world.apply(&spec(true)).await?;
    world
        .wait_until("checkout", "the condition Suspended", |object| {
            object.status.as_ref().is_some_and(|status| status.conditions.iter().any(|c| c.type_ == "Suspended"))
        })
        .await?;
    let calls = world.aws.calls("GetParameters");
    world.aws.put("/shop/key", "changed");
    world.api::<Secret>().delete("checkout", &DeleteParams::default()).await?;
    world.synced("checkout").await.context("Ready must not change")?;
    assert_eq!(world.aws.calls("GetParameters"), calls);
    world.apply(&spec(false)).await?;
    world.wait_for_secret("checkout", &[("KEY", "changed")]).await?;
    Ok(())
}
