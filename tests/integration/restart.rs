//! A restart costs a look at the versions, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::{ResourceExt, api::ListParams};
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object, store};

const OBJECTS: usize = 100;

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
    all_synced(&world).await?;
    assert_eq!(world.aws.decrypts(), OBJECTS);

    let before = versions(&world).await?;
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
    let mut after = versions(&world).await?;
    after.retain(|name, _| !name.ends_with("/last"));
    assert_eq!(before, after, "a restart writes neither Secrets nor status");
    let writes = world.operator().audit()?.into_iter().filter(|record| record.get("secretWrite").is_some()).count();
    assert_eq!(writes, 1, "only the new object");
    Ok(())
}

async fn all_synced(world: &World) -> Result<()> {
    let api = world.api::<SecureParameter>();
    eventually("all objects to be in sync", PATIENCE, async || {
        let objects = api.list(&ListParams::default()).await?;
        let ready = |object: &SecureParameter| object.status.as_ref().is_some_and(|s| s.source_revision.is_some());
        Ok(objects.iter().all(ready).then_some(()))
    })
    .await
}

/// Resource versions of all objects and Secrets.
async fn versions(world: &World) -> Result<BTreeMap<String, Option<String>>> {
    let objects = world.api::<SecureParameter>().list(&ListParams::default()).await?;
    let secrets = world.api::<Secret>().list_metadata(&ListParams::default()).await?;
    let objects = objects.iter().map(|object| (format!("object/{}", object.name_any()), object.resource_version()));
    let secrets = secrets.iter().map(|secret| (format!("secret/{}", secret.name_any()), secret.resource_version()));
    Ok(objects.chain(secrets).collect())
}
