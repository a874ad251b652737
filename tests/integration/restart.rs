//! A restart costs a look at the versions, and nothing else.

use std::collections::BTreeMap;

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
    assert_eq!((world.aws.calls("GetParameters"), world.aws.decrypts()), (OBJECTS, OBJECTS));

    let before = versions(&world).await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    eventually("a look at every object", PATIENCE, async || {
        Ok((world.aws.calls("GetParameters") >= OBJECTS).then_some(()))
    })
    .await?;
    // One object more: when it is in sync, the queue has been through all that the restart put into it.
    world.aws.put("/shop/last", "last");
    world.apply(&object("last", &[("KEY", "/shop/last")], &json!({}))).await?;
    world.synced("last").await?;
    assert_eq!(world.aws.calls("GetParameters"), OBJECTS + 1, "one look an object");
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
