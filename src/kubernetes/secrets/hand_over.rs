//! The metadata of a Secret without what its former owner keeps of it.
//!
//! `managedFields` can be set by any write to the object; a list that is empty or missing leaves them as they are
//! (`FieldManager.Update` of the API server). There is always one entry left: that of whoever set the annotation by which
//! the Secret consents, or our own.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference};
use serde_json::{Map, Value, json};

use crate::api::names;

/// Prefix of the labels and annotations by which External Secrets Operator knows its Secrets. It deletes those with its label
/// `created-by` that are not the target of the ExternalSecret with this name, and `data-hash` is a hash of the values.
const MARKS_OF_ESO: &str = "reconcile.external-secrets.io/";

/// The fields of a Secret that hold its keys.
const DATA: [&str; 2] = ["f:data", "f:stringData"];

/// What a Secret is handed over to.
#[derive(Clone, Copy)]
pub(super) struct Heir<'a, F> {
    /// The field manager that applies the Secret.
    pub(super) manager: &'a str,
    /// The owner for garbage collection.
    pub(super) owner: Option<&'a OwnerReference>,
    /// Labels, among them the mark of the owner.
    pub(super) labels: &'a BTreeMap<String, String>,
    /// Annotations, among them the mark of the owner.
    pub(super) annotations: &'a BTreeMap<String, String>,
    /// Tells whether the Secret should have a key.
    pub(super) is_wanted: F,
}

/// Returns the metadata of a merge patch that makes a Secret the object's: it ends what others own, except for the keys that
/// are not wanted, and sets our owner reference and our marks.
pub(super) fn handed_over(meta: &ObjectMeta, uid: &str, heir: Heir<'_, impl Fn(&str) -> bool + Copy>) -> Value {
    let others = meta
        .owner_references
        .iter()
        .flatten()
        .filter(|owner| owner.controller != Some(true) && heir.owner.is_none_or(|ours| ours.uid != owner.uid));
    let owners: Vec<&OwnerReference> = others.chain(heir.owner).collect();
    json!({
        "uid": uid,
        "resourceVersion": meta.resource_version,
        "ownerReferences": owners,
        "managedFields": managed(meta.managed_fields.as_deref().unwrap_or_default(), heir),
        "labels": marked(meta.labels.as_ref(), heir.labels, names::OWNER_UID_LABEL),
        "annotations": marked(meta.annotations.as_ref(), heir.annotations, names::OWNER_ANNOTATION),
    })
}

/// Returns the fields of each manager. The wanted keys become ours as if we had applied them: an apply removes what its manager
/// applied before, so that no key stays in the Secret if the spec drops it before our first apply succeeds. The API server
/// needs no time in an entry, and ignores the whole list if an entry has no version or type of fields (`DecodeManagedFields`).
fn managed(entries: &[ManagedFieldsEntry], heir: Heir<'_, impl Fn(&str) -> bool + Copy>) -> Vec<ManagedFieldsEntry> {
    let is_wanted = heir.is_wanted;
    let mut managed: Vec<_> = entries.iter().filter_map(|entry| remaining(entry, is_wanted)).collect();
    let fields = entries.iter().filter_map(|entry| entry.fields_v1.as_ref());
    let data = fields.flat_map(|fields| DATA.map(|data| fields.0.get(data).and_then(Value::as_object)));
    let keys = data.flatten().flatten().filter(|(item, _)| item.strip_prefix("f:").is_some_and(is_wanted));
    let mut keys: Map<_, _> = keys.map(|(item, value)| (item.clone(), value.clone())).collect();
    if keys.is_empty() {
        return managed;
    }
    let is_ours = |entry: &ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(heir.manager) && entry.operation.as_deref() == Some("Apply")
    };
    let before = managed.iter().position(is_ours).map(|index| managed.swap_remove(index));
    let mut fields = before.and_then(|entry| entry.fields_v1).map_or_else(|| json!({}), |fields| fields.0);
    if let Some(unwanted) = fields.get("f:data").and_then(Value::as_object) {
        keys.extend(unwanted.clone());
    }
    fields["f:data"] = Value::Object(keys);
    managed.push(ManagedFieldsEntry {
        api_version: Some("v1".to_owned()),
        fields_type: Some("FieldsV1".to_owned()),
        fields_v1: Some(FieldsV1(fields)),
        manager: Some(heir.manager.to_owned()),
        operation: Some("Apply".to_owned()),
        ..ManagedFieldsEntry::default()
    });
    managed
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
    for data in DATA {
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
                {"manager": "us", "operation": "Update", "fieldsV1": {"f:metadata": {"f:ownerReferences": {}}}},
            ],
        }))
        .expect("metadata");
        let mark = |key: &str| BTreeMap::from([(key.to_owned(), "me".to_owned()), ("other".to_owned(), String::new())]);
        let (labels, annotations) = (&mark(names::OWNER_UID_LABEL), &mark(names::OWNER_ANNOTATION));
        let owner = OwnerReference { uid: "me".into(), controller: Some(true), ..OwnerReference::default() };
        let is_wanted = |key: &str| key == "A";
        let heir = Heir { manager: "us", owner: Some(&owner), labels, annotations, is_wanted };
        let patch = handed_over(&meta, "u", heir);
        let owners = |patch: &Value| {
            let owners = patch["ownerReferences"].as_array().into_iter().flatten();
            owners.map(|owner| owner["uid"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(owners(&patch), ["2", "me"]);
        assert_eq!(owners(&handed_over(&meta, "u", Heir { owner: None, ..heir })), ["2"]);
        let labels = json!({"reconcile.external-secrets.io/managed": null, "secureparameter.io/owner-uid": "me"});
        assert_eq!((&patch["labels"], &patch["annotations"]), (&labels, &json!({"secureparameter.io/owner": "me"})));
        let eso = json!({"manager": "eso", "operation": "Update", "fieldsV1": {
            "f:data": {"f:B": {}},
            "f:metadata": {"f:labels": {"f:team": {}}},
        }});
        assert_eq!(patch["managedFields"], json!([eso, applied(&json!({"f:data": {"f:A": {}}}))]));
    }

    fn applied(fields: &Value) -> Value {
        json!({"apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields, "manager": "us", "operation": "Apply"})
    }

    #[test]
    fn wanted_keys_are_ours_beside_what_we_applied_before() {
        let ours =
            json!({"f:data": {"f:A": {}, "f:OLD": {}}, "f:metadata": {"f:labels": {"f:team": {}}}, "f:type": {}});
        let meta = json!({"managedFields": [
            {"manager": "eso", "operation": "Update", "fieldsV1": {"f:data": {"f:B": {}, "f:STALE": {}}}},
            applied(&ours),
        ]});
        let none = BTreeMap::new();
        let is_wanted = |key: &str| ["A", "B", "NEW"].contains(&key);
        let heir = Heir { manager: "us", owner: None, labels: &none, annotations: &none, is_wanted };
        let patch = handed_over(&serde_json::from_value(meta).expect("metadata"), "u", heir);
        let ours = json!({
            "f:data": {"f:A": {}, "f:B": {}, "f:OLD": {}},
            "f:metadata": {"f:labels": {"f:team": {}}},
        });
        let eso = json!({"manager": "eso", "operation": "Update", "fieldsV1": {"f:data": {"f:STALE": {}}}});
        assert_eq!(patch["managedFields"], json!([eso, applied(&ours)]), "without the type, which the apply sets");
    }
}
