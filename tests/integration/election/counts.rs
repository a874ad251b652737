//! What a takeover costs if nothing has changed.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use secure_parameter_operator::api::{SecureParameter, StoreStatus};
use serde_json::json;
use testbed::{
    control_plane::Write,
    fake_aws::{DEFAULT_ACCOUNT, Identity},
    wait::eventually,
};

use super::replicas::{Call, Replicas};
use crate::support::{PATIENCE, World, store_shows};

const OBJECTS: usize = 1_000;
/// Ten parameters to a call, and a few that are not full.
const LOOKS: usize = OBJECTS / 10 + 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_of_a_thousand_objects_in_sync_decrypts_and_writes_nothing() -> Result<()> {
    let mut replicas = Replicas::new(&["--leader-elect"]).await?;
    replicas.session = Some(Identity::assumed_role(DEFAULT_ACCOUNT, "secure-parameter-operator", "spo"));
    create(&replicas.world).await?;
    let first = replicas.start().await?;
    replicas.world.settled().await?;
    // The status of the store follows what the store does every 30 seconds.
    let follows = |status: &StoreStatus| {
        let is_polled = status.quota.as_ref().is_some_and(|quota| quota.sweep_seconds.is_some());
        status.subscribers == i32::try_from(OBJECTS).ok() && is_polled
    };
    store_shows(&replicas.world, "default", "all objects, and that they are polled", follows).await?;
    let second = replicas.start().await?;
    let before = replicas.world.versions().await?;
    replicas.forget()?;

    first.signal("TERM")?;
    replicas.leads(&second).await?;
    eventually("a look at every parameter", PATIENCE, async || {
        Ok((looked_at(replicas.calls()).len() >= OBJECTS).then_some(()))
    })
    .await?;
    let looked_at = Timestamp::now();
    // A new object is queued behind all that the takeover has queued: once it is in sync, they have been reconciled.
    replicas.world.aws.put("/shop/last", "last");
    replicas.world.apply(&replicas.world.object("last", &[("KEY", "/shop/last")], &json!({}))).await?;
    replicas.world.synced("last").await?;

    let (decrypting, looks): (Vec<_>, Vec<_>) =
        replicas.calls().iter().filter(|call| call.record["eventName"] == "GetParameters").partition(|c| c.decrypts());
    ensure!(looks.len() <= LOOKS, "{} looks", looks.len());
    ensure!(decrypting.len() == 1, "only the new object is decrypted: {} calls", decrypting.len());
    // The store counts the new object.
    let is_of_the_last = |write: &Write| {
        write.object.starts_with("shop/last")
            || write.resource == "clusterparameterstores/status" && write.received_at > looked_at
    };
    let writes: Vec<_> = replicas.writes()?.iter().filter(|write| !is_of_the_last(write)).collect();
    ensure!(writes.is_empty(), "{} writes: {:?}", writes.len(), writes.first());
    let mut after = replicas.world.versions().await?;
    after.retain(|name, _| !name.contains("/last"));
    ensure!(before == after, "something was written");
    Ok(())
}

/// Creates objects that are not looked at during the test but by a new leader.
async fn create(world: &World) -> Result<()> {
    let objects = world.api::<SecureParameter>();
    let created = stream::iter(0..OBJECTS).map(async |number| -> Result<()> {
        let path = world.path(&format!("p{number}"));
        world.aws.put(&path, "value");
        let object = world.object(&format!("object-{number}"), &[("KEY", &path)], &json!({"refreshInterval": "1h"}));
        objects.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    });
    created.buffer_unordered(16).try_collect().await
}

/// The names that these calls looked at.
fn looked_at(calls: &[Call]) -> BTreeSet<String> {
    let looks = calls.iter().filter(|call| call.record["eventName"] == "GetParameters" && !call.decrypts());
    let names = looks.flat_map(|call| call.record["requestParameters"]["names"].as_array().into_iter().flatten());
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
