//! Metadata: what an object is called, and which of its labels and annotations go with it.

use std::collections::BTreeMap;

use crate::{
    api::tracking::is_tracking,
    domain::{
        migrate::{fields::Fields, group::is_of_domain, note::Notes},
        report::text::list,
    },
};

/// What is read of the metadata of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// Reads metadata.
pub(super) fn read(root: &mut Fields<'_>) -> Metadata {
    root.ignore(&["apiVersion", "kind", "status"]);
    let notes = root.notes();
    let Some(mut fields) = root.object("metadata") else { return Metadata::default() };
    // What the API server and controllers set.
    fields.ignore(&["namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"]);
    fields.ignore(&["deletionGracePeriodSeconds", "managedFields", "selfLink", "finalizers"]);
    if !fields.list("ownerReferences").is_empty() {
        let text =
            "another object made this one; what is printed here does not belong to it, and stays when it is deleted";
        notes.dropped(&fields.place("ownerReferences"), text);
    }
    let (labels, annotations) = (fields.map("labels"), fields.map("annotations"));
    Metadata { name: fields.text("name").unwrap_or_default(), labels, annotations }
}

/// Returns the labels or annotations that go with an object, and reports the others.
pub(super) fn kept(map: &BTreeMap<String, String>, place: &str, notes: &Notes) -> BTreeMap<String, String> {
    let is_lost = |key: &str| is_tracking(key) || is_of_domain(key);
    let lost: Vec<&str> = map.keys().map(String::as_str).filter(|key| is_lost(key)).collect();
    if !lost.is_empty() {
        let text = format!("these belong to the tools that set them, and are not copied: {}", list(&lost));
        notes.dropped(place, text);
    }
    map.iter().filter(|(key, _)| !is_lost(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}
