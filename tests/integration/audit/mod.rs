//! The audit stream: records of AWS calls agree with those of CloudTrail and with the Events in Kubernetes.

mod accesses;
pub mod join;
mod scenario;

use anyhow::Result;
use serde_json::json;

use self::join::text;
use crate::support::{World, object};

/// One run with every kind of call, and all checks of its records.
#[tokio::test]
async fn every_call_joins_cloudtrail() -> Result<()> {
    let run = scenario::run().await?;
    join::check_calls(&run);
    join::check_decryptions(&run);
    accesses::check_objects(&run).await?;
    accesses::check_outcomes(&run);
    accesses::check_events(&run).await?;
    accesses::check_writes(&run).await
}

/// A read that finds an optional parameter absent decrypts the others, and its Event names both.
#[tokio::test]
async fn an_event_names_absent_optional_parameters() -> Result<()> {
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

/// Each record names the Secret and the verb.
#[tokio::test]
async fn every_write_of_a_secret_is_recorded() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/db", "first");
    let targets = [
        json!({"name": "former"}),
        json!({"name": "present"}),
        // A type cannot be changed in place.
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
