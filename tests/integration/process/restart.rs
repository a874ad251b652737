//! A restart of the operator: versions are checked, and nothing else happens.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ListParams, PostParams};
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::{
    fake_aws::{ParameterType, PutOptions},
    wait::eventually,
};

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

/// The parameters of all requests of `GetParameters`.
fn get_parameters(world: &World) -> Vec<Value> {
    let calls = world.aws.records().into_iter().filter(|record| record["eventName"] == "GetParameters");
    calls.map(|mut call| call["requestParameters"].take()).collect()
}

/// Names that `GetParameters` was asked for.
fn checked_names(world: &World) -> Result<BTreeSet<String>> {
    let calls = get_parameters(world);
    let names = calls.iter().map(|call| serde_json::from_value::<Vec<String>>(call["names"].clone()));
    Ok(names.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The API server takes the Secrets of a cold start one by one, so calls have to wait until they are full.
#[tokio::test]
async fn a_thousand_parameters_cost_a_hundred_calls_at_a_cold_start_and_at_a_restart() -> Result<()> {
    const MANY: usize = 1_000;
    let mut world = World::without_operator().await?;
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}}))).await?;
    // Not encrypted, so that no keys are looked up afterwards.
    let put = |name: &str| {
        world.aws.put_with(name, "value", PutOptions { kind: ParameterType::String, ..PutOptions::default() })
    };
    let create = async |number: usize| {
        let parameter = format!("/shop/p{number}");
        put(&parameter);
        let manifest = object(&format!("object-{number}"), &[("KEY", &parameter)], &json!({"refreshInterval": "1h"}));
        world.api::<SecureParameter>().create(&PostParams::default(), &serde_json::from_value(manifest)?).await?;
        anyhow::Ok(())
    };
    stream::iter((0..MANY).map(create)).buffer_unordered(32).try_collect::<()>().await?;
    world.aws.set_latency(Duration::from_millis(20));
    world.start_operator().await?;
    eventually("all objects to be in sync", PATIENCE, async || {
        let objects = world.api::<SecureParameter>().list(&ListParams::default()).await?;
        let is_synced =
            |object: &&SecureParameter| object.status.as_ref().is_some_and(|s| s.source_revision().is_some());
        Ok((objects.iter().filter(is_synced).count() == MANY).then_some(()))
    })
    .await?;
    let sizes: Vec<_> =
        get_parameters(&world).iter().map(|call| call["names"].as_array().map_or(0, Vec::len)).collect();
    // The first calls are not full, nor are those while the API server takes fewer than ten Secrets in half a second because
    // of other tests beside this one. Without waiting for names, there are nearly two hundred.
    assert!(sizes.len() <= MANY / 10 + 40, "{} calls at a cold start: {sizes:?}", sizes.len());

    let before = world.versions().await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    eventually(
        "a look at every parameter",
        PATIENCE,
        async || Ok((checked_names(&world)?.len() >= MANY).then_some(())),
    )
    .await?;
    // As above: all have been reconciled once this one is in sync.
    world.aws.put("/shop/last", "last");
    world.apply(&object("last", &[("KEY", "/shop/last")], &json!({}))).await?;
    world.synced("last").await?;
    let (looks, reads): (Vec<_>, Vec<_>) =
        get_parameters(&world).into_iter().partition(|call| call["withDecryption"] == false);
    assert!(looks.len() <= MANY / 10 + 5, "{} calls at a restart", looks.len());
    assert_eq!(reads.len(), 1, "only the new object: {reads:?}");
    let mut after = world.versions().await?;
    after.retain(|name, _| !name.contains("/last"));
    assert_eq!(before, after, "a restart writes neither Secrets nor status");
    Ok(())
}
