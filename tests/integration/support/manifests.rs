//! Manifests that most tests use, and what they read from conditions.

use secure_parameter_operator::api::{Condition, SecureParameter};
use serde_json::{Value, json};

/// A cluster store that grants each namespace the parameters below its own name. `spec` adds fields or replaces them.
pub fn store(name: &str, spec: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ClusterParameterStore",
        "metadata": {"name": name},
        "spec": {"access": [{"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"]}]},
    });
    merge(&mut manifest["spec"], spec);
    manifest
}

/// A `SecureParameter` in namespace `shop` with these keys and parameters, polled every ten seconds. `spec` adds fields
/// or replaces them.
pub fn object(name: &str, data: &[(&str, &str)], spec: &Value) -> Value {
    let entries: Vec<_> = data.iter().map(|(key, parameter)| json!({"key": key, "parameter": parameter})).collect();
    let mut manifest = json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "SecureParameter",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"refreshInterval": "10s", "data": entries},
    });
    merge(&mut manifest["spec"], spec);
    manifest
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}

/// The Ready condition of an object.
pub fn ready(object: &SecureParameter) -> Option<&Condition> {
    object.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == "Ready")
}

/// Reports whether a condition has this status and reason.
pub fn has_ready(condition: &Condition, status: &str, reason: &str) -> bool {
    format!("{:?}", condition.status) == status && condition.reason == reason
}

/// The message of an object's Ready condition, or an empty string.
pub fn message(object: &SecureParameter) -> &str {
    ready(object).map(|condition| condition.message.as_str()).unwrap_or_default()
}
