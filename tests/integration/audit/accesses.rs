//! Checks the Kubernetes fields of audit records: objects, outcomes, Events, writes of Secrets.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{Api, ResourceExt, api::ListParams};
use secure_parameter_operator::api::{ClusterParameterStore, ParameterStore, SecureParameter};
use serde_json::{Value, json};

use super::{join::text, scenario::Run};

/// Checks that each record names the objects of the call and the reason.
pub async fn check_objects(run: &Run) -> Result<()> {
    let known = known_objects(run).await?;
    let mut reasons: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for record in &run.audit {
        let objects = record["objects"].as_array().context("no objects")?;
        assert!(!objects.is_empty(), "no objects: {record}");
        for object in objects {
            let mut identified = object.clone();
            let reason = identified.as_object_mut().and_then(|object| object.remove("reason"));
            assert!(known.contains(&identified), "no such object: {record:#}");
            assert!(reason.is_some_and(|reason| reason.is_string()), "{record}");
            if record.get("cloudtrail").is_some() {
                reasons.entry(text(&object["name"])).or_default().insert(text(&object["reason"]));
            }
        }
    }
    for (name, expected) in [
        ("good", &["FirstSync", "ForcedSync", "ParameterChanged", "VersionCheck"][..]),
        ("outdated", &["FirstSync", "VersionCheck"]),
        ("broken", &["FirstSync", "KeyState"]),
        ("default", &["Identity"]),
        ("wrong", &["Identity"]),
    ] {
        let shown = reasons.get(name).with_context(|| format!("no call for {name}"))?;
        assert!(expected.iter().all(|reason| shown.contains(reason)), "{name}: {shown:?}");
    }
    // They have the same credentials, so that one call is enough for both.
    assert!(
        ["own", "platform"].iter().any(|name| reasons.contains_key(name)),
        "no call for the credentials of the tenant"
    );
    Ok(())
}

/// All objects in the form of the records, without a reason.
async fn known_objects(run: &Run) -> Result<Vec<Value>> {
    let (world, all) = (&run.world, ListParams::default());
    let mut known = Vec::new();
    for object in world.api::<SecureParameter>().list(&all).await? {
        let target = object.spec.target.as_ref().and_then(|target| target.name.clone());
        let secret = target.unwrap_or_else(|| object.name_any());
        known.push(json!({"kind": "SecureParameter", "namespace": "shop", "name": object.name_any(),
            "uid": object.uid(), "secret": secret}));
    }
    for store in world.api::<ParameterStore>().list(&all).await? {
        known.push(json!({"kind": "ParameterStore", "namespace": "shop", "name": store.name_any(),
            "uid": store.uid()}));
    }
    for store in Api::<ClusterParameterStore>::all(world.client.clone()).list(&all).await? {
        known.push(json!({"kind": "ClusterParameterStore", "name": store.name_any(), "uid": store.uid()}));
    }
    Ok(known)
}

/// Checks that each record has an outcome for each parameter.
pub fn check_outcomes(run: &Run) {
    let mut seen = BTreeSet::new();
    for record in run.calls() {
        let cloudtrail = &record["cloudtrail"];
        if cloudtrail["eventName"] != "GetParameters" {
            assert!(record.get("parameters").is_none(), "{record}");
            continue;
        }
        let failed = cloudtrail.get("errorCode").is_some() || record.get("clientError").is_some();
        let names = cloudtrail["requestParameters"]["names"].as_array().into_iter().flatten();
        let parameters = record["parameters"].as_array().into_iter().flatten();
        assert_eq!(names.clone().count(), parameters.clone().count(), "{record}");
        for (name, parameter) in names.zip(parameters) {
            check_outcome(
                run,
                text(name),
                parameter,
                cloudtrail["requestParameters"]["withDecryption"] == true,
                failed,
            );
            seen.insert(text(&parameter["outcome"]));
        }
    }
    assert_eq!(seen, ["Decrypted", "Failed", "NotFound", "Read"].into());
}

fn check_outcome(run: &Run, asked: &str, parameter: &Value, decrypting: bool, failed: bool) {
    let (name, selector) = asked.split_once(':').map_or((asked, None), |(name, selector)| (name, Some(selector)));
    assert_eq!(parameter["arn"], run.world.aws.parameter_arn(name));
    assert_eq!(parameter["selector"].as_str(), selector, "{parameter}");
    let (outcome, type_) = match (failed, asked) {
        (true, _) => ("Failed", None),
        (_, "/shop/none" | "/shop/db:99") => ("NotFound", None),
        (_, "/shop/flag") => ("Read", Some("String")),
        _ if decrypting => ("Decrypted", Some("SecureString")),
        _ => ("Read", Some("SecureString")),
    };
    assert_eq!(parameter["outcome"], outcome, "{asked}: {parameter}");
    assert_eq!(parameter["type"].as_str(), type_, "{asked}: {parameter}");
    assert_eq!(parameter["version"].is_i64(), type_.is_some(), "{asked}: {parameter}");
}

/// Checks that each read of an object that decrypted or failed has one Event with the same fields.
pub async fn check_events(run: &Run) -> Result<()> {
    let events = run.world.api::<Event>().list(&ListParams::default()).await?;
    let annotation = |event: &Event, key: &str| event.annotations().get(&format!("secureparameter.io/{key}")).cloned();
    let mut reported = BTreeSet::new();
    for event in &events {
        let Some(id) = annotation(event, "audit-id") else { continue };
        let record = run.calls().find(|record| record["auditID"] == id.as_str());
        let record = record.with_context(|| format!("an Event on an access without a record: {event:?}"))?;
        assert!(deserves_event(record), "an unexpected Event: {event:?}");
        assert_eq!(annotation(event, "request-id").as_deref(), record["cloudtrail"]["requestID"].as_str());
        let principal = annotation(event, "principal").context("no principal")?;
        assert_eq!(record["cloudtrail"]["userIdentity"]["arn"], principal);
        let parameters: Vec<Value> = serde_json::from_str(&annotation(event, "parameters").context("no parameters")?)?;
        check_event(record, event, &parameters);
        let uid = event.regarding.as_ref().and_then(|object| object.uid.clone());
        assert!(reported.insert((id, uid)), "two Events for one access: {event:?}");
    }
    for object in run.world.api::<SecureParameter>().list(&ListParams::default()).await? {
        assert!(reported.iter().any(|(_, uid)| *uid == object.uid()), "no Event on {}", object.name_any());
    }
    Ok(())
}

/// Reports whether a call needs an Event: it decrypted or failed. Version checks need none.
fn deserves_event(record: &Value) -> bool {
    let outcomes = record["parameters"].as_array().into_iter().flatten().map(|parameter| &parameter["outcome"]);
    let decrypting = record["cloudtrail"]["requestParameters"]["withDecryption"] == true;
    decrypting || outcomes.into_iter().any(|outcome| outcome == "Failed" || outcome == "NotFound")
}

/// Checks that the Event of an object names only its own parameters, because a call may serve several objects.
fn check_event(record: &Value, event: &Event, parameters: &[Value]) {
    let cloudtrail = &record["cloudtrail"];
    let note = event.note.as_deref().unwrap_or_default();
    let request = cloudtrail["requestID"].as_str().map_or("no answer".to_owned(), |id| format!("request {id}"));
    let principal = text(&cloudtrail["userIdentity"]["arn"]);
    for part in [request.as_str(), principal, text(&cloudtrail["eventName"])] {
        assert!(note.contains(part), "{note} lacks {part}");
    }
    let regarding = event.regarding.clone().unwrap_or_default();
    let mut objects = record["objects"].as_array().into_iter().flatten();
    let object = objects.find(|object| object["uid"].as_str() == regarding.uid.as_deref());
    let object = object.unwrap_or_else(|| unreachable!("{regarding:?} is not in {record}"));
    assert_eq!(regarding.name.as_deref(), object["name"].as_str());
    assert_eq!(event.related.as_ref().and_then(|related| related.name.as_deref()), object["secret"].as_str());
    assert_eq!(event.action.as_deref(), cloudtrail["eventName"].as_str());
    let all = record["parameters"].as_array().cloned().unwrap_or_default();
    assert!(!parameters.is_empty() && parameters.iter().all(|parameter| all.contains(parameter)), "{event:?}");
    let succeeded = parameters.iter().all(|parameter| parameter["version"].is_i64());
    let (type_, reason) = (event.type_.as_deref(), event.reason.as_deref());
    assert_eq!(type_ == Some("Normal"), succeeded, "{note}");
    assert_eq!(reason == Some("ParameterDecrypted"), succeeded, "{note}");
    // The note truncates long lists; the annotation does not.
    for parameter in parameters.iter().filter(|_| succeeded && parameters.len() < 3) {
        let part = format!("{} version {}", text(&parameter["arn"]), parameter["version"]);
        assert!(note.contains(&part), "{note} lacks {part}");
    }
}

/// Checks that each write of a Secret has a record that names the calls behind it.
pub async fn check_writes(run: &Run) -> Result<()> {
    let mut last = BTreeMap::new();
    for record in run.writes() {
        assert!(record.get("cloudtrail").is_none() && record.get("answered").is_none(), "{record}");
        let (write, object) = (&record["secretWrite"], &record["objects"][0]);
        assert_eq!(write["verb"], "apply");
        assert!(text(&write["time"]).ends_with('Z'), "{record}");
        let ids = write["requestIDs"].as_array().context("no request ids")?;
        assert!(!ids.is_empty(), "{record}");
        for id in ids {
            let call = run.calls().find(|call| call["cloudtrail"]["requestID"] == *id);
            let mut served = call.context("a write from nowhere")?["objects"].as_array().into_iter().flatten();
            assert!(served.any(|served| served["uid"] == object["uid"]), "{record}");
        }
        last.insert(text(&object["secret"]), &write["resourceVersion"]);
    }
    assert_eq!(last.keys().copied().collect::<Vec<_>>(), ["good", "many-values", "pinned", "tenant"]);
    for (secret, resource_version) in last {
        let secret = run.world.api::<Secret>().get(secret).await?;
        assert_eq!(*resource_version, json!(secret.resource_version()));
    }
    Ok(())
}
