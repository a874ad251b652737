//! The access trail: what the operator records of its AWS calls is what CloudTrail records of them, and what
//! Kubernetes shows of them is the same again.

mod accesses;
mod join;
mod scenario;

use anyhow::Result;
use serde_json::json;

use crate::support::{World, object};

/// One run with every kind of call, looked at from all sides.
#[tokio::test]
async fn every_call_joins_cloudtrail() -> Result<()> {
    let played = scenario::play().await?;
    join::check_calls(&played);
    join::check_decryptions(&played);
    accesses::check_objects(&played).await?;
    accesses::check_outcomes(&played);
    accesses::check_events(&played).await?;
    accesses::check_writes(&played).await
}

/// An access that found an optional parameter absent has decrypted the others, and its Event says both.
#[tokio::test]
async fn an_absent_optional_parameter_is_part_of_the_event() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/db", "first");
    let data = json!([
        {"key": "DB", "parameter": "/shop/db"},
        {"key": "EXTRA", "parameter": "/shop/extra", "optional": true},
    ]);
    world.apply(&object("checkout", &[], &json!({"data": data}))).await?;
    world.synced("checkout").await?;
    let event = world.event("checkout", "ParameterDecrypted", &[]).await?;
    let note = event.note.unwrap_or_default();
    for part in ["parameter/shop/db version 1", "parameter/shop/extra (absent)"] {
        assert!(note.contains(part), "{note}");
    }
    Ok(())
}
