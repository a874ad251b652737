//! Objects, stores and Secrets of the loud namespace. All objects refresh every ten seconds.

use serde_json::{Value, json};
use testbed::fake_aws::Identity;

use crate::support::object;

use super::NAMESPACE;

/// Number of paths of one object.
const PATHS: usize = 16;
/// Number of names of one object.
const NAMES: usize = 100;

/// An object with sixteen paths below which nothing is.
pub fn empty_paths(number: usize) -> Value {
    let paths: Vec<_> = (0..PATHS).map(|path| json!({"path": format!("/{NAMESPACE}/void/{number}/{path}")})).collect();
    loud(&format!("empty-{number}"), &json!({"data": [], "dataFrom": paths}))
}

/// An object with a hundred names that do not exist.
pub fn missing_names(number: usize) -> Value {
    loud(&format!("missing-{number}"), &json!({"data": absent(&format!("missing/{number}"), NAMES)}))
}

/// An object with a path below which are more parameters than a Secret can hold.
pub fn huge_path(number: usize) -> Value {
    loud(&format!("huge-{number}"), &json!({"data": [], "dataFrom": [{"path": format!("/{NAMESPACE}/huge")}]}))
}

/// Name of the Secret with the credentials of a store.
pub fn credentials_name(number: usize) -> String {
    format!("credentials-{number}")
}

/// The Secret with the credentials of a store.
pub fn credentials(number: usize, identity: &Identity) -> Value {
    json!({
        "metadata": {"name": credentials_name(number), "namespace": NAMESPACE},
        "stringData": {"access-key-id": identity.access_key_id, "secret-access-key": identity.secret_access_key},
    })
}

/// A store with credentials of its own.
pub fn store(number: usize) -> Value {
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": format!("store-{number}"), "namespace": NAMESPACE},
        "spec": {"identity": {"credentialsSecretRef": {"name": credentials_name(number)}}},
    })
}

/// An object that reads one parameter through a store of its own.
pub fn reading_from_store(number: usize) -> Value {
    let store = json!({"kind": "ParameterStore", "name": format!("store-{number}")});
    loud(&format!("stored-{number}"), &json!({"storeRef": store, "data": [there(number)]}))
}

/// Name of a Secret that belongs to nobody.
pub fn foreign_name(number: usize) -> String {
    format!("foreign-{number}")
}

/// A Secret that belongs to nobody and consents to nothing.
pub fn foreign(number: usize) -> Value {
    json!({"metadata": {"name": foreign_name(number), "namespace": NAMESPACE}, "stringData": {"THEIRS": "kept"}})
}

/// An object that wants to add a key to such a Secret.
pub fn merging(number: usize) -> Value {
    let target = json!({"name": foreign_name(number), "creationPolicy": "Merge"});
    loud(&format!("merging-{number}"), &json!({"target": target, "data": [there(0)]}))
}

/// An object that wants to own such a Secret.
pub fn taking(number: usize) -> Value {
    loud(&format!("taking-{number}"), &json!({"target": {"name": foreign_name(number)}, "data": [there(0)]}))
}

/// Name of an object that is soon deleted.
pub fn churning_name(turn: usize) -> String {
    format!("churning-{turn}")
}

/// An object that is soon deleted, perhaps during its first sync. Its names are its own.
pub fn churning(turn: usize) -> Value {
    let path = json!({"path": format!("/{NAMESPACE}/void/churning/{turn}")});
    loud(&churning_name(turn), &json!({"data": absent(&format!("churning/{turn}"), 10), "dataFrom": [path]}))
}

/// An object whose spec changes every turn: a parameter that exists and one that does not.
pub fn changing(number: usize, turn: usize) -> Value {
    let absent = json!({"key": "ABSENT", "parameter": format!("/{NAMESPACE}/changing/{turn}"), "optional": true});
    loud(&format!("changing-{number}"), &json!({"data": [there(number), absent]}))
}

/// A key from a parameter that exists.
fn there(number: usize) -> Value {
    json!({"key": "THERE", "parameter": format!("/{NAMESPACE}/there/{number}")})
}

/// Keys from parameters that do not exist.
fn absent(below: &str, count: usize) -> Vec<Value> {
    let entry = |key: usize| json!({"key": format!("K{key}"), "parameter": format!("/{NAMESPACE}/{below}/{key}")});
    (0..count).map(entry).collect()
}

fn loud(name: &str, spec: &Value) -> Value {
    let mut manifest = object(name, &[], spec);
    manifest["metadata"]["namespace"] = json!(NAMESPACE);
    manifest
}
