//! Compares the operator's audit records with those of AWS.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::scenario::Run;

/// Refusals without a record in CloudTrail, because the principal is not known.
const UNKNOWN_CALLER: &[&str] = &["SignatureDoesNotMatch"];

/// Checks that the run has calls of every kind, and compares all of them.
pub fn check_calls(run: &Run) {
    check_each(&run.audit, &run.trail);
    for (event, least) in [("GetParameters", 15), ("DescribeKey", 2), ("GetCallerIdentity", 4)] {
        let count = run.calls().filter(|record| record["cloudtrail"]["eventName"] == event).count();
        assert!(count >= least, "only {count} records of {event}");
    }
    assert!(run.calls().any(|record| record["answered"] == false), "no call without an answer");
}

/// Checks that both sides have recorded every call, with the same values in all fields that the operator records.
pub fn check_each(audit: &[Value], trail: &[Value]) {
    let direct: Vec<_> = trail.iter().filter(|record| !is_inner(record)).collect();
    let mut joined = BTreeSet::new();
    let mut audit_ids = BTreeSet::new();
    for record in audit.iter().filter(|record| record.get("cloudtrail").is_some()) {
        assert!(audit_ids.insert(text(&record["auditID"])), "two records with one id: {record}");
        assert_eq!(record["schema"], "secureparameter.io/audit/v1");
        let cloudtrail = &record["cloudtrail"];
        let Some(id) = cloudtrail["requestID"].as_str() else {
            check_unanswered(record);
            continue;
        };
        assert_eq!(record["answered"], true, "{record}");
        assert!(joined.insert(id), "two records of request {id}");
        let theirs: Vec<_> = direct.iter().filter(|theirs| theirs["requestID"] == id).collect();
        match theirs[..] {
            [theirs] => {
                let differences = differences("cloudtrail", cloudtrail, theirs);
                assert!(differences.is_empty(), "{differences:#?}\n{record:#}\n{theirs:#}");
            }
            [] => assert!(may_be_unrecorded(record), "AWS has no record of {record:#}"),
            _ => unreachable!("AWS recorded request {id} twice"),
        }
    }
    for theirs in direct {
        assert!(joined.contains(text(&theirs["requestID"])), "the operator has no record of {theirs:#}");
    }
}

/// Reports whether AWS made the call on behalf of the caller.
fn is_inner(record: &Value) -> bool {
    record["userIdentity"].get("invokedBy").is_some()
}

fn check_unanswered(record: &Value) {
    assert_eq!(record["answered"], false, "{record}");
    assert!(!text(&record["clientError"]).is_empty(), "{record}");
    for field in ["errorCode", "errorMessage"] {
        assert!(record["cloudtrail"].get(field).is_none(), "without an answer there is no {field}: {record}");
    }
    assert!(record["cloudtrail"]["eventTime"].is_string());
}

/// Reports whether AWS may have no record: the response came from a load balancer, or the caller was not known.
fn may_be_unrecorded(record: &Value) -> bool {
    let code = record["cloudtrail"]["errorCode"].as_str();
    let unavailable = record["clientError"].as_str().is_some_and(|error| error.contains("HTTP status 503"));
    unavailable || code.is_some_and(|code| UNKNOWN_CALLER.contains(&code))
}

/// The fields in which `ours` and `theirs` differ. Fields that only `theirs` has are ignored, except within lists.
fn differences(path: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours
            .iter()
            .flat_map(|(key, value)| {
                differences(&format!("{path}.{key}"), value, theirs.get(key).unwrap_or(&Value::Null))
            })
            .collect(),
        _ if ours == theirs => Vec::new(),
        _ => vec![format!("{path}: {ours} instead of {theirs}")],
    }
}

/// Compares the decryptions that AWS makes within a call: by parameter and time, or by request id if they failed.
pub fn check_decryptions(run: &Run) {
    let inner: Vec<_> = run.trail.iter().filter(|record| is_inner(record)).collect();
    let mut succeeded = BTreeMap::new();
    for record in inner.iter().filter(|record| record.get("errorCode").is_none()) {
        let arn = &record["requestParameters"]["encryptionContext"]["PARAMETER_ARN"];
        *succeeded.entry((text(arn), text(&record["eventTime"]))).or_insert(0) += 1;
    }
    let mut failed = 0;
    for record in run.calls() {
        for decryption in record["decryptions"].as_array().into_iter().flatten() {
            assert_eq!(decryption["eventSource"], "kms.amazonaws.com");
            assert_eq!(decryption["eventName"], "Decrypt");
            match decryption["requestID"].as_str() {
                Some(id) => {
                    check_failed(decryption, id, &inner);
                    failed += 1;
                }
                None => take(&mut succeeded, decryption, record),
            }
        }
    }
    assert!(failed >= 3, "only {failed} failed decryptions");
    succeeded.retain(|_, count| *count > 0);
    for (arn, time) in succeeded.into_keys() {
        // The operator cannot know of decryptions whose response could not be read, or whose call failed because of
        // another parameter.
        let unreadable = run.calls().any(|record| {
            let resources = record["cloudtrail"]["resources"].as_array().into_iter().flatten();
            record["cloudtrail"]["eventTime"] == time
                && (record.get("clientError").is_some() || record["cloudtrail"].get("errorCode").is_some())
                && resources.into_iter().any(|resource| resource["ARN"] == arn)
        });
        assert!(unreadable, "the operator has no record of the decryption of {arn} at {time}");
    }
}

fn check_failed(decryption: &Value, id: &str, inner: &[&Value]) {
    let theirs: Vec<_> = inner.iter().filter(|record| record["requestID"] == id).collect();
    let [theirs] = theirs[..] else { unreachable!("{} records of KMS request {id}", theirs.len()) };
    assert!(theirs.get("errorCode").is_some(), "{theirs}");
    // For a failed call with several parameters, AWS does not name the parameter. The request ids agree anyway.
    if decryption.get("encryptionContext").is_some() {
        assert_eq!(decryption["encryptionContext"], theirs["requestParameters"]["encryptionContext"]);
    }
}

fn take<'a>(succeeded: &mut BTreeMap<(&'a str, &'a str), usize>, decryption: &'a Value, record: &'a Value) {
    let arn = text(&decryption["encryptionContext"]["PARAMETER_ARN"]);
    let time = text(&record["cloudtrail"]["eventTime"]);
    let left = succeeded.get_mut(&(arn, time)).filter(|left| **left > 0);
    *left.unwrap_or_else(|| unreachable!("AWS has no record of decrypting {arn} at {time}")) -= 1;
}

/// The text of a JSON string.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| unreachable!("{value} is not a string"))
}
