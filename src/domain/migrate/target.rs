//! `target`: the Secret, and the templates that compose it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{CreationPolicy, MergePolicy, ReclaimPolicy, Target, Template},
    domain::migrate::{
        fields::Fields,
        metadata::{Metadata, kept},
        note::Notes,
        template,
    },
};

/// Most templates, and most characters of each.
const LIMITS: (usize, usize) = (64, 4_096);

/// What is read of a target.
#[derive(Debug, Default)]
pub(super) struct ReadTarget {
    pub(super) target: Target,
    /// Whether parameters that do not exist are no error.
    pub(super) optional: bool,
}

/// Reads a target. `keys` are those that `data` names.
pub(super) fn read(spec: &mut Fields<'_>, metadata: &Metadata, keys: &BTreeSet<String>) -> ReadTarget {
    let notes = spec.notes();
    let place = spec.place("target");
    let mut fields = spec.object("target").unwrap_or_else(|| Fields::new(serde_json::Value::Null, place, notes));
    let mut target = Target { name: fields.text("name").filter(|name| *name != metadata.name), ..Target::default() };
    set_creation_policy(&mut fields, &mut target);
    let optional = is_optional(&mut fields);
    if fields.boolean("immutable") {
        target.immutable = Some(true);
        let text = "ESO never changes an immutable Secret, but here a new value replaces the Secret by a new one";
        notes.check(&fields.place("immutable"), text);
    }
    if let Some(mut manifest) = fields.object("manifest") {
        let kind = manifest.text("kind").unwrap_or_default();
        manifest.ignore(&["apiVersion"]);
        notes.not_translated(&manifest.place(""), format!("only Secrets are written, but this makes a {kind}"));
    }
    match fields.object("template") {
        // Without a template, ESO copies the labels and annotations of its object.
        None => {
            target.labels = kept(&metadata.labels, "metadata.labels", notes);
            target.annotations = kept(&metadata.annotations, "metadata.annotations", notes);
        }
        Some(fields) => read_template(fields, &mut target, keys),
    }
    if target.creation_policy == Some(CreationPolicy::Merge) {
        clear_metadata(&mut target, &place_of(&fields), notes);
    }
    ReadTarget { target, optional }
}

fn place_of(fields: &Fields<'_>) -> String {
    fields.place("creationPolicy")
}

fn set_creation_policy(fields: &mut Fields<'_>, target: &mut Target) {
    let (notes, place) = (fields.notes(), fields.place("creationPolicy"));
    match fields.text("creationPolicy").as_deref() {
        None | Some("Owner") => {}
        Some("Orphan") => target.reclaim_policy = Some(ReclaimPolicy::Retain),
        Some("Merge") => {
            // ESO leaves its keys when its object is deleted.
            (target.creation_policy, target.reclaim_policy) =
                (Some(CreationPolicy::Merge), Some(ReclaimPolicy::Retain));
            let text = "ESO still holds the keys that it wrote: remove them from the Secret when its object is deleted, and they \
                        are written again at once";
            notes.check(&place, text);
        }
        Some("CreateOrMerge") => {
            (target.creation_policy, target.reclaim_policy) =
                (Some(CreationPolicy::Merge), Some(ReclaimPolicy::Retain));
            notes.not_translated(&place, "a Secret is either created or added to; the draft adds to one that exists");
        }
        Some("None") => notes.not_translated(&place, "this writes no Secret, and here every object writes one"),
        Some(other) => notes.not_translated(&place, format!("{other} is not a known policy")),
    }
}

/// Takes the policy about parameters that vanish. Not the one about the Secret of a deleted object: that is `creationPolicy`.
fn is_optional(fields: &mut Fields<'_>) -> bool {
    let (notes, place) = (fields.notes(), fields.place("deletionPolicy"));
    match fields.text("deletionPolicy").as_deref() {
        None | Some("Retain") => false,
        Some("Merge") => true,
        Some("Delete") => {
            notes.check(
                &place,
                "when all parameters are gone, ESO deletes the Secret, but here it stays, without these keys",
            );
            true
        }
        Some(other) => {
            notes.not_translated(&place, format!("{other} is not a known policy"));
            false
        }
    }
}

/// A Secret of others keeps its own metadata.
fn clear_metadata(target: &mut Target, place: &str, notes: &Notes) {
    let has_metadata = !(target.labels.is_empty() && target.annotations.is_empty());
    if has_metadata || target.type_.is_some() || target.immutable.is_some() {
        let text = "type, labels, annotations and immutable of a Secret of others are left as they are, and not set";
        notes.dropped(place, text);
    }
    (target.labels, target.annotations) = (BTreeMap::new(), BTreeMap::new());
    (target.type_, target.immutable) = (None, None);
}

fn read_template(mut fields: Fields<'_>, target: &mut Target, keys: &BTreeSet<String>) {
    let notes = fields.notes();
    target.type_ = fields.text("type").filter(|type_| type_ != "Opaque");
    if let Some("kubernetes.io/service-account-token" | "bootstrap.kubernetes.io/token") = target.type_.as_deref() {
        notes.not_translated(&fields.place("type"), "a Secret of this type would grant access to the cluster itself");
    }
    let engine = fields.text("engineVersion");
    if let Some(mut metadata) = fields.object("metadata") {
        let place = metadata.place("labels");
        target.labels = kept(&untemplated(metadata.map("labels"), &place, notes), &place, notes);
        let place = metadata.place("annotations");
        target.annotations = kept(&untemplated(metadata.map("annotations"), &place, notes), &place, notes);
        if !metadata.list("finalizers").is_empty() {
            notes.dropped(&metadata.place("finalizers"), "finalizers are not put on Secrets");
        }
    }
    let merges = fields.text("mergePolicy").as_deref() == Some("Merge");
    if fields.take("templateFrom").is_some() {
        let text =
            "templates in ConfigMaps, Secrets and literals have no equivalent; write them into target.template.data";
        notes.not_translated(&fields.place("templateFrom"), text);
    }
    let place = fields.place("data");
    let templates = fields.map("data");
    if engine.is_some_and(|engine| engine != "v2") && templates.values().any(|template| template.contains("{{")) {
        notes.not_translated(&fields.place("engineVersion"), "only templates of engine v2 are translated");
    }
    if templates.is_empty() {
        return;
    }
    if templates.len() > LIMITS.0 || templates.values().any(|template| template.chars().count() > LIMITS.1) {
        notes.not_translated(
            &place,
            format!("there are at most {} templates of {} characters each", LIMITS.0, LIMITS.1),
        );
    }
    if merges && let Some(key) = templates.keys().find(|key| keys.contains(*key)) {
        notes.not_translated(
            &place,
            format!("{key} is a key of data too, and with mergePolicy Merge no key may come from both"),
        );
    }
    let data = templates.into_iter().map(|(key, source)| {
        let place = format!("{place}[{key}]");
        let translated = template::translate(&source, keys).map(|(translated, conditions)| {
            for condition in conditions {
                notes.check(&place, condition);
            }
            translated
        });
        let translated = translated.unwrap_or_else(|problem| {
            notes.not_translated(&place, problem);
            String::new()
        });
        (key, translated)
    });
    target.template = Some(Template { data: data.collect(), merge_policy: (!merges).then_some(MergePolicy::Replace) });
}

/// Returns the entries without templates, and reports the others.
fn untemplated(map: BTreeMap<String, String>, place: &str, notes: &Notes) -> BTreeMap<String, String> {
    let (templated, plain): (BTreeMap<_, _>, BTreeMap<_, _>) =
        map.into_iter().partition(|(_, value)| value.contains("{{"));
    for key in templated.keys() {
        notes.dropped(place, format!("{key} is a template, and labels and annotations are not composed of values"));
    }
    plain
}
