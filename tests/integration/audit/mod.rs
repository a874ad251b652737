//! The access trail: what the operator records of its AWS calls is what CloudTrail records of them, and what
//! Kubernetes shows of them is the same again.

mod accesses;
pub mod join;
mod scenario;

use anyhow::Result;
use serde_json::json;

use self::join::text;
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

/// Whatever the operator does to a Secret has a record that names this Secret and what was done.
#[tokio::test]
async fn every_write_of_a_secret_is_recorded() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/db", "first");
    let targets = [
        json!({"name": "former"}),
        json!({"name": "present"}),
        // Cannot change in place.
        json!({"name": "present", "type": "example.com/other"}),
        json!({"name": "present", "type": "example.com/other", "reclaimPolicy": "Retain"}),
        json!({"name": "last", "reclaimPolicy": "Retain"}),
    ];
    for target in &targets {
        world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({"target": target}))).await?;
        world.synced("checkout").await?;
    }
    let audit = world.operator().audit()?;
    let writes = audit.iter().filter(|record| record.get("secretWrite").is_some());
    let writes: Vec<_> =
        writes.map(|record| (text(&record["secretWrite"]["verb"]), text(&record["objects"][0]["secret"]))).collect();
    let expected = [
        ("apply", "former"),
        ("apply", "present"),
        ("delete", "former"),
        ("delete", "present"),
        ("apply", "present"),
        ("apply", "present"),
        ("apply", "last"),
        ("release", "present"),
    ];
    assert_eq!(writes, expected);
    Ok(())
}
