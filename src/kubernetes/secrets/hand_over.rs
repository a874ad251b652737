//! The metadata of a Secret without what its former owner keeps of it.
//!
//! `managedFields` can be set by any write to the object; a list that is empty or missing leaves them as they are
//! (`FieldManager.Update` of the API server). There is always one entry left: that of whoever set the annotation by which
//! the Secret consents, or our own.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use serde_json::{Map, Value, json};

use crate::api::names;

/// Prefix of the labels and annotations by which External Secrets Operator knows its Secrets. It deletes those with its label
/// `created-by` that are not the target of the ExternalSecret with this name, and `data-hash` is a hash of the values.
const MARKS_OF_ESO: &str = "reconcile.external-secrets.io/";

/// Returns the metadata of a merge patch that ends what others own of a Secret, except for the keys that are not wanted, and
/// that marks the Secret with `labels` and `annotations`.
pub(super) fn handed_over(
    meta: &ObjectMeta,
    uid: &str,
    marks: (&BTreeMap<String, String>, &BTreeMap<String, String>),
    is_wanted: impl Fn(&str) -> bool,
) -> Value {
    let owners: Vec<&OwnerReference> =
        meta.owner_references.iter().flatten().filter(|owner| owner.controller != Some(true)).collect();
    let entries = meta.managed_fields.iter().flatten().filter_map(|entry| remaining(entry, &is_wanted));
    json!({
        "uid": uid,
        "resourceVersion": meta.resource_version,
        "ownerReferences": owners,
        "managedFields": entries.collect::<Vec<_>>(),
        "labels": marked(meta.labels.as_ref(), marks.0, names::OWNER_UID_LABEL),
        "annotations": marked(meta.annotations.as_ref(), marks.1, names::OWNER_ANNOTATION),
    })
}

/// Returns the changes of labels or annotations: without the marks of ESO, and with this mark of ours.
fn marked(
    existing: Option<&BTreeMap<String, String>>,
    desired: &BTreeMap<String, String>,
    mark: &str,
) -> Map<String, Value> {
    let removed = existing.into_iter().flat_map(BTreeMap::keys).filter(|key| key.starts_with(MARKS_OF_ESO));
    let removed = removed.map(|key| (key.clone(), Value::Null));
    removed.chain(desired.get(mark).map(|value| (mark.to_owned(), json!(value)))).collect()
}

/// Returns what a manager keeps: labels, annotations, and the keys that are not wanted; `None` if that is nothing.
fn remaining(entry: &ManagedFieldsEntry, is_wanted: impl Fn(&str) -> bool) -> Option<ManagedFieldsEntry> {
    let mut entry = entry.clone();
    let fields = entry.fields_v1.as_mut()?.0.as_object_mut()?;
    fields.remove("f:type");
    fields.remove("f:immutable");
    for data in ["f:data", "f:stringData"] {
        retain(fields, data, |key| !is_wanted(key));
    }
    if let Some(metadata) = fields.get_mut("f:metadata").and_then(Value::as_object_mut) {
        metadata.remove("f:ownerReferences");
        if metadata.is_empty() {
            fields.remove("f:metadata");
        }
    }
    (!fields.is_empty()).then_some(entry)
}

/// Keeps some items of a map, and the map itself only if an item is left.
fn retain(fields: &mut Map<String, Value>, name: &str, keeps: impl Fn(&str) -> bool) {
    let Some(items) = fields.get_mut(name).and_then(Value::as_object_mut) else { return };
    items.retain(|item, _| item.strip_prefix("f:").is_some_and(&keeps));
    if items.is_empty() {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_others_and_keys_that_are_not_wanted_remain() {
        let meta: ObjectMeta = serde_json::from_value(json!({
            "resourceVersion": "7",
            "labels": {"reconcile.external-secrets.io/managed": "true", "team": "a"},
            "ownerReferences": [
                {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "x", "uid": "1", "controller": true},
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "y", "uid": "2"},
            ],
            "managedFields": [
                {"manager": "eso", "operation": "Update", "fieldsV1": {
                    "f:data": {".": {}, "f:A": {}, "f:B": {}},
                    "f:metadata": {"f:labels": {"f:team": {}}, "f:ownerReferences": {"k:{\"uid\":\"1\"}": {}}},
                    "f:type": {},
                }},
                {"manager": "data", "operation": "Update", "fieldsV1": {"f:data": {"f:A": {}}, "f:immutable": {}}},
            ],
        }))
        .expect("metadata");
        let mark = |key: &str| BTreeMap::from([(key.to_owned(), "me".to_owned()), ("other".to_owned(), String::new())]);
        let marks = (&mark(names::OWNER_UID_LABEL), &mark(names::OWNER_ANNOTATION));
        let patch = handed_over(&meta, "u", marks, |key| key == "A");
        assert_eq!(patch["ownerReferences"].as_array().map(Vec::len), Some(1));
        let labels = json!({"reconcile.external-secrets.io/managed": null, "secureparameter.io/owner-uid": "me"});
        assert_eq!((&patch["labels"], &patch["annotations"]), (&labels, &json!({"secureparameter.io/owner": "me"})));
        let managed = patch["managedFields"].as_array().expect("a list");
        assert_eq!(managed.len(), 1);
        let expected = json!({"f:data": {"f:B": {}}, "f:metadata": {"f:labels": {"f:team": {}}}});
        assert_eq!(managed[0]["fieldsV1"], expected);
    }
}
