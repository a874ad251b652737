//! The operator's objects themselves: references out of the namespace, status, size, and what messages give away.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::{
    api::{A, manifest, path},
    attack::{Attack, Expected, fails},
    world::Tenants,
};
use crate::support::PATIENCE;

/// Longest text of an annotation that the operator repeats.
const LONGEST_ECHO: usize = 256;
/// How often an object is changed to and fro.
const EDITS: usize = 10;

fn own() -> Value {
    json!([{"key": "PASSWORD", "parameter": "/a/password"}])
}

/// All attacks by the other fields of an object.
pub fn attacks() -> Vec<Attack> {
    let restart = |name: &str| json!({"data": own(), "restart": [{"kind": "Deployment", "name": name}]});
    let paths: Vec<_> = (0..9).map(|n| json!({"path": format!("/a/{n}"), "optional": true})).collect();
    let unready = json!({"storeRef": {"name": "unready"}, "data": own()});
    vec![
        Attack::object(
            "restarts of another namespace",
            &restart("../../b/deployments/web"),
            Expected::Refused("a name holds lower-case letters"),
        ),
        Attack::object(
            "more than a namespace may read",
            &json!({"dataFrom": paths}),
            Expected::Fails("NamespaceLimitReached", &["Namespace a would use"]),
        ),
        // That the message does not name the Secret is checked with everything else that A sees.
        Attack::object("by a store that is not ready", &unready, Expected::Fails("StoreNotReady", &["unready"])),
    ]
}

/// A status that A writes is dropped: the operator does not take another Secret for one that it wrote, and deletes nothing.
pub async fn a_forged_status_is_ignored(world: &Tenants) -> Result<()> {
    let metadata = json!({"name": "victim", "namespace": A});
    let victim = world.as_tenant(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})).await?;
    let mut forged = manifest("SecureParameter", "forged-status", &json!({"data": own()}));
    let secret = json!({"name": "victim", "keys": 1});
    let uid = &victim["metadata"]["uid"];
    forged["status"] = json!({
        "observedGeneration": 1,
        "secret": secret,
        "observed": {"secret": {"name": "victim", "uid": uid, "resourceVersion": "1", "keys": 1}},
    });
    world.as_tenant(&forged).await?;
    holds(world, &forged, "the Secret of an object with a forged status", |object| {
        object["status"]["secret"]["name"] == "forged-status"
    })
    .await?;
    let after = world.get(&world.admin, "/api/v1/namespaces/a/secrets/victim").await?;
    ensure!(after["metadata"]["resourceVersion"] == victim["metadata"]["resourceVersion"], "{after}");
    Ok(())
}

/// A text as long as the API server takes is repeated only in part, and nowhere in the log.
pub async fn long_texts_are_cut(world: &Tenants) -> Result<()> {
    let text = "x".repeat(200_000);
    let mut object = manifest("SecureParameter", "long", &json!({"data": own()}));
    object["metadata"]["annotations"] = json!({"secureparameter.io/sync": text});
    world.as_tenant(&object).await?;
    let echoed = holds(world, &object, "the sync to be done", |object| object["status"]["lastHandledSync"].is_string());
    let status = echoed.await?["status"].to_string();
    ensure!(!status.contains(&"x".repeat(LONGEST_ECHO + 1)), "{status}");
    Ok(())
}

/// An object that changes faster than it is reconciled is never read by the rights of one spec and the names of another.
pub async fn fast_edits_change_nothing(world: &Tenants) -> Result<()> {
    let spec = |parameter: &str, store: &Value| json!({"data": [{"key": "PASSWORD", "parameter": parameter}], "storeRef": store});
    let (cluster, own) =
        (json!({"kind": "ClusterParameterStore", "name": "default"}), json!({"kind": "ParameterStore", "name": "own"}));
    let harmless = spec("/a/password", &cluster);
    for _ in 0..EDITS {
        for spec in [&harmless, &spec("/b/vault", &cluster), &spec("/a/password", &own), &spec("/b/vault", &own)] {
            world.as_tenant(&manifest("SecureParameter", "fast", spec)).await?;
        }
    }
    let last = manifest("SecureParameter", "fast", &harmless);
    world.as_tenant(&last).await?;
    holds(world, &last, "the last edit to be in sync", |object| {
        let ready = object["status"]["conditions"].as_array().into_iter().flatten();
        let is_synced =
            ready.into_iter().any(|condition| condition["type"] == "Ready" && condition["reason"] == "Synced");
        is_synced && object["status"]["observedGeneration"] == object["metadata"]["generation"]
    })
    .await
    .map(drop)
}

/// A refusal is the same whether what it refuses exists or not.
pub async fn no_message_says_what_exists(world: &Tenants) -> Result<()> {
    let mut messages = Vec::new();
    for (name, parameter) in [("exists", "/b/vault"), ("exists-not", "/b/vanity")] {
        let object = manifest("SecureParameter", name, &json!({"data": [{"key": "VALUE", "parameter": parameter}]}));
        world.as_tenant(&object).await?;
        messages.push(fails(world, &object, &["PolicyDenied"], &[]).await?.replace(parameter, "it"));
    }
    ensure!(messages[0] == messages[1], "{messages:?}");
    Ok(())
}

/// Waits until something holds of an object. Returns it.
async fn holds(world: &Tenants, object: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(what, PATIENCE, async || {
        let found = world.get(&world.tenant, &path(object)).await?;
        Ok(holds(&found).then_some(found))
    })
    .await
}
