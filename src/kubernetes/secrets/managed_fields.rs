//! `managedFields` of a Secret, reduced to what ownership and drift ask of it.
//!
//! Format: Kubernetes documentation, "Server-Side Apply", `FieldsV1`: nested objects whose keys begin with `f:` for
//! fields, `k:` for list items by key, and `.` for the object itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use crate::{api::names, domain::ownership::types::FieldOwnership};

/// Reads who holds which field; `ours` is the field manager that we write as.
pub fn field_ownership(entries: &[ManagedFieldsEntry], ours: &str) -> FieldOwnership {
    let mut ownership = FieldOwnership::default();
    for entry in entries {
        let manager = entry.manager.as_deref().unwrap_or_default();
        let paths = entry.fields_v1.as_ref().map(|fields| paths(&fields.0)).unwrap_or_default();
        if manager != ours {
            ownership.managers.insert(manager.to_owned());
            let foreign = paths.into_iter().filter(|path| concerns_us(path));
            ownership.foreign.extend(foreign.map(|path| (path, manager.to_owned())));
        } else if entry.operation.as_deref() == Some("Apply") {
            // Our own merge patches take fields away; what they set is never the desired state.
            ownership.ours.extend(paths);
        }
    }
    ownership
}

/// Fields that no other manager may hold on a Secret of ours. Labels and annotations are everybody's, but for ours.
fn concerns_us(path: &str) -> bool {
    path == "type"
        || path.starts_with("data/")
        || path.strip_prefix("labels/") == Some(names::OWNER_UID_LABEL)
        || path.strip_prefix("annotations/") == Some(names::OWNER_ANNOTATION)
}

fn paths(fields: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for (field, below) in children(fields) {
        match field {
            "metadata" => {
                for (group, items) in children(below) {
                    paths.extend(children(items).map(|(item, _)| format!("{group}/{item}")));
                }
            }
            // Written as text, it is data all the same.
            "data" | "stringData" => paths.extend(children(below).map(|(key, _)| format!("data/{key}"))),
            other => paths.push(other.to_owned()),
        }
    }
    paths
}

fn children(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.filter_map(|(key, below)| {
        let name = key.strip_prefix("f:").or_else(|| key.strip_prefix("k:"))?;
        Some((name, below))
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some(operation.to_owned()),
            fields_v1: Some(FieldsV1(fields)),
            ..ManagedFieldsEntry::default()
        }
    }

    #[test]
    fn ours_and_theirs_are_told_apart() {
        let entries = [
            entry(
                names::FIELD_MANAGER,
                "Apply",
                json!({
                    "f:data": {"f:A": {}, ".": {}},
                    "f:metadata": {"f:labels": {"f:secureparameter.io/owner-uid": {}},
                                   "f:ownerReferences": {"k:{\"uid\":\"x\"}": {}}},
                    "f:type": {},
                }),
            ),
            entry("kubectl-edit", "Update", json!({"f:data": {"f:B": {}}, "f:metadata": {"f:labels": {"f:team": {}}}})),
            entry(names::FIELD_MANAGER, "Update", json!({"f:data": {"f:C": {}}})),
        ];
        let ownership = field_ownership(&entries, names::FIELD_MANAGER);
        let ours: Vec<_> = ownership.ours.iter().map(String::as_str).collect();
        assert_eq!(ours, ["data/A", "labels/secureparameter.io/owner-uid", "ownerReferences/{\"uid\":\"x\"}", "type"]);
        assert_eq!(ownership.foreign, [("data/B".to_owned(), "kubectl-edit".to_owned())].into());
        assert_eq!(ownership.foreign_keys(), ["B"].into());
    }
}
