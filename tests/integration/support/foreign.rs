//! Definitions of kinds that other software brings.

use serde_json::{Value, json};

/// A definition of a kind. It takes any field, and like the original it demands these fields of `spec`.
pub fn foreign(api_version: &str, kind: &str, scope: &str, required: &[&str]) -> Value {
    let (group, version) = api_version.split_once('/').expect("a group and a version");
    let singular = kind.to_lowercase();
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let mut schema = any.clone();
    schema["required"] = json!(["spec"]);
    schema["properties"]["spec"] = any;
    schema["properties"]["spec"]["required"] = json!(required);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{singular}s.{group}")},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": format!("{singular}s"), "singular": singular},
            "scope": scope,
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}
