//! Waits for what an object or a store should show, and ways to ask for it.

use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
};
use secure_parameter_operator::api::{ClusterParameterStore, Condition, SecureParameter, StoreStatus, names};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use testbed::wait::eventually;
use uuid::Uuid;

use super::{PATIENCE, World, check_kstatus, has_ready, ready};

/// Longest message of a condition, in characters.
const LONGEST_MESSAGE: usize = 1_000;

/// Waits until an object is not Ready for `reason`, with `companion` (`Stalled` or `Reconciling`) beside it and a
/// message that contains all `parts`. Returns the message.
pub async fn fails(world: &World, name: &str, reason: &str, companion: &str, parts: &[&str]) -> Result<String> {
    let object = world.wait_for(name, "False", reason).await?;
    let conditions = &object.status.as_ref().context("no status")?.conditions;
    ensure!(conditions.iter().any(|condition| condition.type_ == companion), "no {companion}: {conditions:?}");
    says(&object, parts)
}

/// Waits until an object with a good Secret is Ready in spite of `reason`. Its message must contain all `parts`, that
/// the Secret is kept, and since when reads fail.
pub async fn tolerates(world: &World, name: &str, reason: &str, parts: &[&str]) -> Result<()> {
    let object = world.wait_for(name, "True", reason).await?;
    says(&object, parts)?;
    says(&object, &[&format!("Secret {name} is kept as it was"), "failing since 20"])?;
    Ok(())
}

/// Checks that the Ready condition's message contains all `parts`. Returns the message.
pub fn says(object: &SecureParameter, parts: &[&str]) -> Result<String> {
    let message = &ready(object).context("no Ready condition")?.message;
    contains(message, parts)?;
    Ok(message.clone())
}

/// Checks that a message contains all `parts` and is not too long.
pub fn contains(message: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        ensure!(message.contains(part), "{message:?} lacks {part:?}");
    }
    let length = message.chars().count();
    ensure!(length <= LONGEST_MESSAGE, "{length} characters: {message}");
    Ok(())
}

/// Asks for a sync by annotation. Returns the token, which the status repeats once the sync is done.
pub async fn force(world: &World, name: &str) -> Result<String> {
    let token = Uuid::new_v4().to_string();
    annotate(world, name, names::SYNC_ANNOTATION, &token).await?;
    Ok(token)
}

/// Waits until the sync with this token is done.
pub async fn echoed(world: &World, name: &str, token: &str) -> Result<()> {
    let is_echoed = |object: &SecureParameter| handled_sync(object) == Some(token);
    world.wait_until(name, &format!("the sync of {name} to be done"), is_echoed).await.map(drop)
}

/// The token of the last sync that was asked for and done.
pub fn handled_sync(object: &SecureParameter) -> Option<&str> {
    object.status.as_ref()?.last_handled_sync.as_deref()
}

/// Asks for a sync and waits until it is done.
pub async fn sync(world: &World, name: &str) -> Result<()> {
    let token = force(world, name).await?;
    echoed(world, name, &token).await
}

/// Sets an annotation of an object.
pub async fn annotate(world: &World, name: &str, key: &str, value: &str) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {key: value}}});
    world.api::<SecureParameter>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// A Secret with all of its metadata. Two of them are equal only if nobody wrote the Secret in between.
pub async fn snapshot(world: &World, name: &str) -> Result<Secret> {
    Ok(world.api::<Secret>().get(name).await?)
}

/// Waits until the status of a cluster store is as `is_expected` says.
pub async fn store_shows(
    world: &World,
    name: &str,
    what: &str,
    is_expected: impl Fn(&StoreStatus) -> bool,
) -> Result<()> {
    let stores: Api<ClusterParameterStore> = Api::all(world.client.clone());
    let mut last = StoreStatus::default();
    let waited = eventually(&format!("store {name} to show {what}"), PATIENCE, async || {
        last = stores.get(name).await?.status.unwrap_or_default();
        Ok(is_expected(&last).then_some(()))
    })
    .await;
    waited.with_context(|| format!("last seen: {last:?}"))
}

/// Waits until a store of either kind has this Ready status and reason, and a message that contains all `parts`.
pub async fn store_is<K>(api: &Api<K>, name: &str, status: &str, reason: &str, parts: &[&str]) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let mut last = Value::Null;
    let waited = eventually(&format!("store {name} to be {status} {reason}"), PATIENCE, async || {
        let store = api.get(name).await?;
        last = serde_json::to_value(&store)?["status"].clone();
        let conditions: Vec<Condition> = serde_json::from_value(last["conditions"].clone())?;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready").context("no Ready condition")?;
        if last["observedGeneration"] != json!(store.meta().generation) {
            return Ok(None);
        }
        check_kstatus(&conditions, store.meta().generation)?;
        let matches = has_ready(ready, status, reason) && contains(&ready.message, parts).is_ok();
        Ok(matches.then_some(()))
    })
    .await;
    waited.with_context(|| format!("expected {parts:?}, last seen: {last}"))
}
