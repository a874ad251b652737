//! The operator's audit records, and what AWS itself recorded.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use secure_parameter_operator::api::names;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::{PATIENCE, World, contains};

/// Fields that the operator's record and CloudTrail's have in common.
const FIELDS: [&str; 6] = ["eventSource", "eventName", "awsRegion", "eventTime", "requestParameters", "resources"];
/// The same within `userIdentity`.
const IDENTITY_FIELDS: [&str; 5] = ["type", "arn", "principalId", "accountId", "accessKeyId"];

/// Waits for a Warning about a failed read of an object that has this reason and is not among `known`. Checks that it
/// names an audit record with the same request id. Returns that audit record.
pub async fn recorded(world: &World, name: &str, reason: &str, known: &[Event]) -> Result<Value> {
    let audit_key = format!("{}audit-id", names::DOMAIN);
    let known: Vec<_> = known.iter().map(ResourceExt::name_any).collect();
    // A warning about a key has no audit id, because it is not about a read.
    let is_of_a_read = |event: &Event| {
        event.reason.as_deref() == Some(reason)
            && event.annotations().contains_key(&audit_key)
            && !known.contains(&event.name_any())
    };
    let event = eventually(&format!("an Event {reason} about a read of {name}"), PATIENCE, async || {
        Ok(world.events(name).await?.into_iter().find(is_of_a_read))
    })
    .await?;
    ensure!(event.type_.as_deref() == Some("Warning"), "{event:?}");
    // Another thread writes the record.
    let record = eventually("the audit record", PATIENCE, async || record_of(world, &event).map(Some)).await?;
    ensure!(is_about(world, &record, name), "{record}");
    Ok(record)
}

/// The audit record that an Event names.
fn record_of(world: &World, event: &Event) -> Result<Value> {
    let annotation = |key: &str| event.annotations().get(&format!("{}{key}", names::DOMAIN)).cloned();
    let audit_id = annotation("audit-id").with_context(|| format!("no audit id on {event:?}"))?;
    let records = world.operator().audit()?;
    let record = records.into_iter().find(|record| record["auditID"] == audit_id.as_str()).context("no record")?;
    let request_id = annotation("request-id");
    ensure!(record["cloudtrail"]["requestID"] == json!(request_id), "{request_id:?} but {record}");
    ensure!(record["answered"] == request_id.is_some(), "{record}");
    contains(event.note.as_deref().unwrap_or_default(), &[request_id.as_deref().unwrap_or("no answer")])?;
    Ok(record)
}

/// Reports whether a call was made for this object, alone or with others.
fn is_about(world: &World, record: &Value, name: &str) -> bool {
    let mut objects = record["objects"].as_array().into_iter().flatten();
    objects.any(|object| {
        object["kind"] == "SecureParameter" && object["namespace"] == world.namespace.as_str() && object["name"] == name
    })
}

/// Checks an audit record against what AWS itself recorded of the same call.
pub fn joins(world: &World, record: &Value) -> Result<()> {
    let ours = &record["cloudtrail"];
    let records = world.aws.records();
    let theirs = records.iter().find(|theirs| theirs["requestID"] == ours["requestID"]);
    let theirs = theirs.with_context(|| format!("AWS has no record of {ours}"))?;
    for field in FIELDS {
        ensure!(ours[field] == theirs[field], "{field}: {ours} but {theirs}");
    }
    for field in ["errorCode", "errorMessage"] {
        ensure!(ours.get(field) == theirs.get(field), "{field}: {ours} but {theirs}");
    }
    for field in IDENTITY_FIELDS {
        ensure!(ours["userIdentity"][field] == theirs["userIdentity"][field], "{field}: {ours} but {theirs}");
    }
    Ok(())
}

/// Audit records of the AWS calls that were made for an object, oldest first.
pub fn calls(world: &World, name: &str) -> Result<Vec<Value>> {
    let mut records = world.operator().audit()?;
    records.retain(|record| record.get("cloudtrail").is_some() && is_about(world, record, name));
    Ok(records)
}

/// Number of calls of `GetParameters` among these, without those that failed because of another parameter: they are
/// repeated in parts.
pub fn reads(calls: &[Value]) -> usize {
    let is_decided = |call: &&Value| {
        let names = call["cloudtrail"]["requestParameters"]["names"].as_array().map_or(0, Vec::len);
        call["cloudtrail"].get("errorCode").is_none() || names == 1
    };
    let reads = calls.iter().filter(|call| call["cloudtrail"]["eventName"] == "GetParameters");
    reads.filter(is_decided).count()
}

/// Number of calls among these that asked for decrypted values and succeeded. A call that failed because of another
/// object's parameter is repeated in parts, so failed calls do not count.
pub fn decrypting(calls: &[Value]) -> usize {
    let decrypting = calls.iter().filter(|call| call["cloudtrail"]["requestParameters"]["withDecryption"] == true);
    decrypting.filter(|call| call["cloudtrail"].get("errorCode").is_none()).count()
}

/// The outcome of a parameter in an audit record, which may also be about parameters of other objects.
pub fn outcome<'r>(record: &'r Value, name: &str) -> Option<&'r str> {
    let mut parameters = record["parameters"].as_array().into_iter().flatten();
    let is_meant = |parameter: &&Value| {
        let arn = parameter["arn"].as_str().unwrap_or_default();
        arn.split_once(":parameter").is_some_and(|(_, found)| found == name)
    };
    parameters.find(is_meant)?["outcome"].as_str()
}
