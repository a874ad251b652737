//! Reduces the `managedFields` of a Secret to what ownership and drift are decided by.
//!
//! Format: Kubernetes documentation, "Server-Side Apply", `FieldsV1`. Nested objects have keys that begin with `f:` for
//! a field or with `k:` for a list item by its key; `.` stands for the object itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use crate::{api::names, domain::ownership::types::FieldOwnership};

/// Returns which fields the field manager `ours` owns, and which relevant fields other managers own.
pub(crate) fn field_ownership(entries: &[ManagedFieldsEntry], ours: &str) -> FieldOwnership {
    let mut ownership = FieldOwnership::default();
    for entry in entries {
        let manager = entry.manager.as_deref().unwrap_or_default();
        let paths = entry.fields_v1.as_ref().map(|fields| paths(&fields.0)).unwrap_or_default();
        if manager != ours {
            ownership.managers.insert(manager.to_owned());
            let foreign = paths.into_iter().filter(|path| is_exclusive(path));
            ownership.foreign.extend(foreign.map(|path| (path, manager.to_owned())));
        } else if entry.operation.as_deref() == Some("Apply") {
            // Merge patches by the same manager own nothing of the desired state: they remove fields, and mark a Secret that is
            // taken over.
            ownership.ours.extend(paths);
        }
    }
    ownership
}

/// Reports whether no other manager may own this field of a Secret that the operator owns. Labels and annotations are
/// shared, except for those that mark ownership.
fn is_exclusive(path: &str) -> bool {
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
            // `stringData` is merged into `data` when it is written.
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
    fn fields_are_attributed_to_their_manager() {
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
