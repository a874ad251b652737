//! What each failure of AWS, of a store or of its policy leaves behind: conditions that say what to do, the Secret as it
//! was, and an Event and audit records that can be joined to AWS' own trail.

pub mod credentials;
mod denied;
mod keys;
mod missing;
mod outage;
mod rechecks;
mod status_writes;

use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use secure_parameter_operator::api::{Condition, SecureParameter, check_kstatus, names};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use testbed::wait::eventually;
use uuid::Uuid;

use crate::support::{PATIENCE, World};

/// Account of the fake AWS' default identity.
pub const ACCOUNT: &str = "111122223333";
/// Region that the operator's environment names.
pub const REGION: &str = "eu-central-1";

/// Failures that concern nobody but their own objects, all at once in one world: none disturbs another, and all wait for
/// their intervals together.
#[tokio::test]
async fn failures_of_some_objects_leave_the_others_alone() -> Result<()> {
    let world = World::start().await?;
    tokio::try_join!(
        scenario("missing parameters", missing::parameters_appear(&world)),
        scenario("vanishing parameters", missing::parameters_vanish(&world)),
        scenario("missing versions", missing::versions_are_told_from_parameters(&world)),
        scenario("moving labels", missing::labels_move(&world)),
        scenario("denied reads", denied::reads(&world)),
        scenario("denied decryptions", denied::decryptions(&world)),
        scenario("disabled keys", keys::disabled(&world)),
        scenario("dying keys", keys::pending_deletion(&world)),
        scenario("keys without a description", keys::not_described(&world)),
        scenario("rechecks", rechecks::are_bounded(&world)),
        scenario("grants", crate::tenancy::policy::grants(&world)),
        scenario("labels of namespaces", crate::tenancy::policy::labels_of_namespaces(&world)),
        scenario("late stores", crate::tenancy::stores::come_and_go(&world)),
        scenario("broken rules", crate::tenancy::stores::broken_rule(&world)),
        scenario("cluster stores with credentials", crate::tenancy::stores::of_the_cluster_with_credentials(&world)),
        scenario("stores without credentials", crate::tenancy::stores::of_a_namespace_without_credentials(&world)),
    )?;
    Ok(())
}

/// One scenario of several, with its name on its errors.
async fn scenario(name: &'static str, scenario: impl Future<Output = Result<()>>) -> Result<()> {
    Box::pin(scenario).await.context(name)
}

/// Waits until an object is not Ready for `reason`, with `companion` (`Stalled` or `Reconciling`) beside it and a
/// message that names all `parts`. Answers with the message.
pub async fn fails(world: &World, name: &str, reason: &str, companion: &str, parts: &[&str]) -> Result<String> {
    let object = world.wait_for(name, "False", reason).await?;
    let conditions = &object.status.as_ref().context("no status")?.conditions;
    ensure!(conditions.iter().any(|condition| condition.type_ == companion), "no {companion}: {conditions:?}");
    says(&object, parts)
}

/// Waits until an object with a good Secret is Ready in spite of `reason`, with a message that names all `parts`, that
/// the Secret is kept, and since when.
pub async fn tolerates(world: &World, name: &str, reason: &str, parts: &[&str]) -> Result<()> {
    let object = world.wait_for(name, "True", reason).await?;
    says(&object, parts)?;
    says(&object, &[&format!("Secret {name} is kept as it was"), "failing since 20"])?;
    Ok(())
}

/// Checks that the Ready condition's message names all `parts`. Answers with the message.
pub fn says(object: &SecureParameter, parts: &[&str]) -> Result<String> {
    let conditions = &object.status.as_ref().context("no status")?.conditions;
    let message = &conditions.iter().find(|condition| condition.type_ == "Ready").context("no Ready")?.message;
    contains(message, parts)?;
    Ok(message.clone())
}

/// Checks that a message names all `parts` and is no longer than a message may be.
pub fn contains(message: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        ensure!(message.contains(part), "{message:?} lacks {part:?}");
    }
    ensure!(message.chars().count() <= 1_000, "{} characters: {message}", message.len());
    Ok(())
}

/// Asks for a sync by annotation. Answers with the token that is echoed once it is done.
pub async fn force(world: &World, name: &str) -> Result<String> {
    let token = Uuid::new_v4().to_string();
    annotate(world, name, names::SYNC_ANNOTATION, &token).await?;
    Ok(token)
}

/// Waits for the echo of a sync that was asked for.
pub async fn echoed(world: &World, name: &str, token: &str) -> Result<()> {
    let is_echoed = |object: &SecureParameter| handled_sync(object) == Some(token);
    world.wait_until(name, &format!("the sync of {name} to be done"), is_echoed).await.map(drop)
}

/// The token of the last sync that was done because it was asked for.
pub fn handled_sync(object: &SecureParameter) -> Option<&str> {
    object.status.as_ref()?.last_handled_sync.as_deref()
}

/// Forces a sync, and waits until it is done.
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

/// A Secret with all of its metadata: equal to an earlier one only if nobody wrote it meanwhile.
pub async fn snapshot(world: &World, name: &str) -> Result<Secret> {
    Ok(world.api::<Secret>().get(name).await?)
}

/// Checks that a failed call for an object is on record: a Warning with this reason that is none of `known`, and an
/// audit record that it names, with the same request id. Answers with the audit record.
pub async fn recorded(world: &World, name: &str, reason: &str, known: &[Event]) -> Result<Value> {
    let audit_key = format!("{}audit-id", names::DOMAIN);
    let known: Vec<_> = known.iter().map(ResourceExt::name_any).collect();
    // Warnings about keys that nothing needed yet are of no read.
    let is_of_a_read = |event: &Event| {
        event.reason.as_deref() == Some(reason)
            && event.annotations().contains_key(&audit_key)
            && !known.contains(&event.name_any())
    };
    let event = eventually(&format!("an Event {reason} of a read for {name}"), PATIENCE, async || {
        Ok(world.events(name).await?.into_iter().find(is_of_a_read))
    })
    .await?;
    ensure!(event.type_.as_deref() == Some("Warning"), "{event:?}");
    let annotation = |key: &str| event.annotations().get(&format!("{}{key}", names::DOMAIN)).cloned();
    let audit_id = annotation("audit-id").with_context(|| format!("no audit id on {event:?}"))?;
    let records = world.operator().audit()?;
    let record = records.into_iter().find(|record| record["auditID"] == audit_id.as_str()).context("no record")?;
    let request_id = annotation("request-id");
    ensure!(record["cloudtrail"]["requestID"] == json!(request_id), "{request_id:?} but {record}");
    ensure!(record["answered"] == request_id.is_some(), "{record}");
    contains(event.note.as_deref().unwrap_or_default(), &[request_id.as_deref().unwrap_or("no answer")])?;
    ensure!(is_for(&record, name), "{record}");
    Ok(record)
}

/// Whether a call was made for this object, alone or beside others.
pub fn is_for(record: &Value, name: &str) -> bool {
    let mut objects = record["objects"].as_array().into_iter().flatten();
    objects.any(|object| object["kind"] == "SecureParameter" && object["name"] == name)
}

/// Checks an audit record against what AWS itself recorded of the same call.
pub fn joins(world: &World, record: &Value) -> Result<()> {
    let ours = &record["cloudtrail"];
    let trail = world.aws.records();
    let theirs = trail.iter().find(|theirs| theirs["requestID"] == ours["requestID"]);
    let theirs = theirs.with_context(|| format!("AWS knows nothing of {ours}"))?;
    for field in ["eventSource", "eventName", "awsRegion", "eventTime", "requestParameters", "resources"] {
        ensure!(ours[field] == theirs[field], "{field}: {ours} but {theirs}");
    }
    for field in ["errorCode", "errorMessage"] {
        ensure!(ours.get(field) == theirs.get(field), "{field}: {ours} but {theirs}");
    }
    for field in ["type", "arn", "principalId", "accountId", "accessKeyId"] {
        ensure!(ours["userIdentity"][field] == theirs["userIdentity"][field], "{field}: {ours} but {theirs}");
    }
    Ok(())
}

/// Audit records of the AWS calls that were made for an object, oldest first.
pub fn calls(world: &World, name: &str) -> Result<Vec<Value>> {
    let mut records = world.operator().audit()?;
    records.retain(|record| record.get("cloudtrail").is_some() && is_for(record, name));
    Ok(records)
}

/// How many of these calls are of `GetParameters`: which keys there are is learnt when there is time.
pub fn reads(calls: &[Value]) -> usize {
    calls.iter().filter(|call| call["cloudtrail"]["eventName"] == "GetParameters").count()
}

/// How many of these calls asked for decrypted values, and did not fail as a whole: a call that failed for the sake of
/// another object's parameter is made again in parts.
pub fn decrypting(calls: &[Value]) -> usize {
    let decrypting = calls.iter().filter(|call| call["cloudtrail"]["requestParameters"]["withDecryption"] == true);
    decrypting.filter(|call| call["cloudtrail"].get("errorCode").is_none()).count()
}

/// What an audit record says became of the parameters: names with outcomes.
pub fn outcomes(record: &Value) -> Vec<(&str, &str)> {
    record["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| {
            let arn = parameter["arn"].as_str().unwrap_or_default();
            let name = arn.split_once(":parameter").map_or(arn, |(_, name)| name);
            (name, parameter["outcome"].as_str().unwrap_or_default())
        })
        .collect()
}

/// Waits until a store of either kind has this Ready status and reason, and a message that names all `parts`.
pub async fn store_is<K>(api: &Api<K>, name: &str, status: &str, reason: &str, parts: &[&str]) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let mut last = Value::Null;
    let waited = eventually(&format!("store {name} to be {status} {reason}"), PATIENCE, async || {
        let store = api.get(name).await?;
        last = serde_json::to_value(&store)?["status"].clone();
        let conditions: Vec<Condition> = serde_json::from_value(last["conditions"].clone())?;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready").context("no Ready")?;
        if last["observedGeneration"] != json!(store.meta().generation) {
            return Ok(None);
        }
        check_kstatus(&conditions, store.meta().generation).map_err(anyhow::Error::msg)?;
        let matches = format!("{:?}", ready.status) == status && ready.reason == reason;
        Ok((matches && contains(&ready.message, parts).is_ok()).then_some(()))
    })
    .await;
    waited.with_context(|| format!("{parts:?} asked for, last seen: {last}"))
}
