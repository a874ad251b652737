//! A restart costs a look at the versions, and nothing else.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object, store};

const OBJECTS: usize = 100;

/// What the spec asks for while nobody is there is done at the start, also where an optional parameter is absent.
#[tokio::test]
async fn a_spec_that_changed_meanwhile_is_done() -> Result<()> {
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
async fn nothing_is_decrypted_and_nothing_is_written() -> Result<()> {
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
    let looked = || -> Result<BTreeSet<String>> {
        let records = world.aws.records().into_iter().filter(|record| record["eventName"] == "GetParameters");
        let names = records.map(|record| record["requestParameters"]["names"].clone());
        Ok(names
            .map(serde_json::from_value::<Vec<String>>)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    };
    eventually("a look at every parameter", PATIENCE, async || Ok((looked()?.len() >= OBJECTS).then_some(()))).await?;
    // One object more: when it is in sync, the queue has been through all that the restart put into it.
    world.aws.put("/shop/last", "last");
    world.apply(&object("last", &[("KEY", "/shop/last")], &json!({}))).await?;
    world.synced("last").await?;
    let calls = world.aws.calls("GetParameters");
    assert!(calls <= OBJECTS / 5 + 1, "looks are ten to a call, give or take how the objects come in: {calls}");
    assert_eq!(world.aws.decrypts(), 1, "only the new object");
    let mut after = world.versions().await?;
    after.retain(|name, _| !name.contains("/last"));
    assert_eq!(before, after, "a restart writes neither Secrets nor status");
    let writes = world.operator().audit()?.into_iter().filter(|record| record.get("secretWrite").is_some()).count();
    assert_eq!(writes, 1, "only the new object");
    Ok(())
}
