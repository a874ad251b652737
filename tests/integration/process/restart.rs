//! A restart of the operator: versions are checked, and nothing else happens.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object, store};

const OBJECTS: usize = 100;

/// Also where an optional parameter is absent.
#[tokio::test]
async fn a_spec_changed_while_the_operator_was_stopped_is_applied() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/there", "value");
    let absent = json!({"key": "ABSENT", "parameter": "/shop/absent", "optional": true});
    let data = json!([{"key": "THERE", "parameter": "/shop/there"}, absent]);
    let manifest = |target: &Value| object("checkout", &[], &json!({"data": data, "target": target}));
    world.apply(&manifest(&json!({}))).await?;
    world.reported("checkout").await?;
    world.stop_operator()?;
    world.apply(&manifest(&json!({"template": {"data": {"TWICE": "{{ THERE }}{{ THERE }}"}}}))).await?;
    world.start_operator().await?;
    world.wait_for_secret("checkout", &[("THERE", "value"), ("TWICE", "valuevalue")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_restart_decrypts_and_writes_nothing() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}}))).await?;
    let objects: Vec<Value> = (0..OBJECTS)
        .map(|n| {
            world.aws.put(&format!("/shop/p{n}"), &format!("value-{n}"));
            object(&format!("object-{n}"), &[("KEY", &format!("/shop/p{n}"))], &json!({"refreshInterval": "1h"}))
        })
        .collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects})).await?;
    world.start_operator().await?;
    world.settled().await?;
    assert_eq!(world.aws.decrypts(), OBJECTS);

    let before = world.versions().await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    eventually("a version check of every parameter", PATIENCE, async || {
        Ok((checked_names(&world)?.len() >= OBJECTS).then_some(()))
    })
    .await?;
    // A new object is queued behind all that the restart has queued: once it is in sync, they have been reconciled.
    world.aws.put("/shop/last", "last");
    world.apply(&object("last", &[("KEY", "/shop/last")], &json!({}))).await?;
    world.synced("last").await?;
    let calls = world.aws.calls("GetParameters");
    assert!(calls <= OBJECTS / 5 + 1, "about ten names to a call, depending on the order of the objects: {calls}");
    assert_eq!(world.aws.decrypts(), 1, "only the new object");
    let mut after = world.versions().await?;
    after.retain(|name, _| !name.contains("/last"));
    assert_eq!(before, after, "a restart writes neither Secrets nor status");
    let writes = world.operator().audit()?.into_iter().filter(|record| record.get("secretWrite").is_some()).count();
    assert_eq!(writes, 1, "only the new object");
    Ok(())
}

/// Names that `GetParameters` was asked for.
fn checked_names(world: &World) -> Result<BTreeSet<String>> {
    let records = world.aws.records();
    let calls = records.iter().filter(|record| record["eventName"] == "GetParameters");
    let names = calls.map(|call| serde_json::from_value::<Vec<String>>(call["requestParameters"]["names"].clone()));
    Ok(names.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}
