//! All objects together: which object reads from which store, what is put before names, and who may read what.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::ObjectMeta;
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{
        ClusterIdentity, ClusterParameterStore, ClusterParameterStoreSpec, CreationPolicy, ParameterStore,
        ParameterStoreSpec, SecureParameter, StoreKind, StoreRef, names,
    },
    domain::migrate::{
        access,
        external_secret::{self, External},
        group::{is_of_domain, is_of_group},
        metadata::{Metadata, kept},
        note::{Effect, Note, Notes},
        parameter,
        store::{self, Identity, Store},
        successors::Successors,
    },
};

/// Longest prefix of a store.
const LONGEST_PREFIX: usize = 512;

/// How an existing Secret consents to its new object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consent {
    /// The namespace of the Secret.
    pub namespace: String,
    /// The name of the Secret.
    pub secret: String,
    /// The value of the annotation `secureparameter.io/allow`.
    pub allow: String,
}

/// What one object became.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Translated {
    /// Kind, namespace and name of the object, as in `ExternalSecret shop/db`.
    pub source: String,
    /// Whether `object` gives the same Secret, or the same access. Else it is a draft.
    pub complete: bool,
    /// The object that takes its place, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// How the Secret that exists consents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

/// Translates objects. Those of other groups are left out. `namespace` is that of objects that name none.
pub fn translate(objects: Vec<Value>, namespace: &str) -> Vec<Translated> {
    let (mut externals, mut stores, mut others) = (Vec::new(), BTreeMap::new(), Vec::new());
    for object in objects {
        let field = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let own = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(namespace).to_owned();
        let version = field("apiVersion");
        match field("kind") {
            "ExternalSecret" if is_of_group(version) => externals.push(external_secret::read(object, own)),
            "SecretStore" if is_of_group(version) => {
                let store = store::read(object, Some(own.clone()));
                stores.insert((Some(own), store.metadata.name.clone()), store);
            }
            "ClusterSecretStore" if is_of_group(version) => {
                let store = store::read(object, None);
                stores.insert((None, store.metadata.name.clone()), store);
            }
            kind if is_of_domain(version) => others.push(other(&object, kind)),
            _ => {}
        }
    }
    let mut readers: BTreeMap<StoreKey, Vec<External>> = BTreeMap::new();
    let mut orphans = Vec::new();
    for external in externals {
        let key = external
            .store
            .as_ref()
            .map(|store| ((!store.is_cluster).then(|| external.namespace.clone()), store.name.clone()));
        match key.filter(|key| stores.contains_key(key)) {
            Some(key) => readers.entry(key).or_default().push(external),
            None => orphans.push(without_store(external)),
        }
    }
    let successors = Successors::of(stores.values());
    let mut translated = Vec::new();
    let mut objects = Vec::new();
    for (key, store) in stores {
        let readers = readers.remove(&key).unwrap_or_default();
        if let Some(problem) = successors.problem(&store) {
            store.notes.not_translated("metadata.name", &problem);
            for reader in &readers {
                reader.notes.not_translated("spec.secretStoreRef", &problem);
            }
        }
        translated.push(with_store(store, readers, &mut objects));
    }
    objects.extend(orphans);
    objects.sort_by(|one: &Translated, other| one.source.cmp(&other.source));
    translated.extend(objects);
    translated.extend(others);
    translated
}

/// The namespace of a store, if it has one, and its name.
type StoreKey = (Option<String>, String);

/// Says that a kind is not translated.
fn other(object: &Value, kind: &str) -> Translated {
    let name = |field: &str| object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
    let namespace = name("namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let text = match kind {
        "ClusterExternalSecret" => {
            "this makes ExternalSecrets in several namespaces; translate those, from the cluster"
        }
        "PushSecret" | "ClusterPushSecret" => "nothing is written to Parameter Store",
        _ => "this kind has no equivalent",
    };
    Translated {
        source: format!("{kind} {namespace}{}", name("name").unwrap_or_default()),
        complete: false,
        object: None,
        consent: None,
        notes: vec![Note { effect: Effect::NotTranslated, field: String::new(), text: text.to_owned() }],
    }
}

/// Translates a store and the objects that read from it.
fn with_store(store: Store, readers: Vec<External>, objects: &mut Vec<Translated>) -> Translated {
    let source = store.source();
    if let Some(service) = &store.other_service {
        let text = format!("{source} reads from {service}, not from Parameter Store; this stays with ESO");
        for external in readers {
            objects.push(left_alone(&external.namespace, &external.metadata.name, &text));
        }
        let note = Note { effect: Effect::NotTranslated, field: String::new(), text };
        return Translated { source, complete: false, object: None, consent: None, notes: vec![note] };
    }
    let (kind, name) = store.successor();
    let prefix = store_prefix(&store.prefix, &readers);
    if prefix.is_none() && !store.prefix.is_empty() {
        let text =
            format!("ESO puts {} before each key to the letter; the names in the objects hold it now", store.prefix);
        store.notes.check("spec.provider.aws.prefix", text);
    }
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mut external in readers {
        if prefix.is_none() {
            prepend(&mut external, &store.prefix);
        }
        let is_admitted = store.namespaces.as_ref().is_none_or(|admitted| admitted.contains(&external.namespace));
        if !is_admitted {
            let text =
                format!("{source} does not admit namespace {}, so access does not grant this", external.namespace);
            external.notes.check("spec.secretStoreRef", text);
        }
        let namespace = external.namespace.clone();
        let globs = access::globs(&external.spec, prefix.as_deref().unwrap_or_default());
        let translated = finish(external, kind, &name);
        if is_admitted && translated.complete {
            granted.entry(namespace).or_default().extend(globs);
        }
        objects.push(translated);
    }
    finish_store(store, &name, source, prefix, &granted)
}

fn left_alone(namespace: &str, name: &str, text: &str) -> Translated {
    let note = Note { effect: Effect::NotTranslated, field: "spec.secretStoreRef".to_owned(), text: text.to_owned() };
    let source = format!("ExternalSecret {namespace}/{name}");
    Translated { source, complete: false, object: None, consent: None, notes: vec![note] }
}

/// Translates an object whose store is not there.
fn without_store(external: External) -> Translated {
    let (kind, name) = if let Some(store) = &external.store {
        let text = format!(
            "{} {} is not among the objects that were read; translate it together with this one if it has a prefix or reads as \
             ESO itself, and leave this one with ESO if it does not read from Parameter Store",
            store.kind(),
            store.name
        );
        external.notes.check("spec.secretStoreRef", text);
        let kind = if store.is_cluster { StoreKind::ClusterParameterStore } else { StoreKind::ParameterStore };
        (kind, store.name.clone())
    } else {
        external.notes.not_translated("spec.secretStoreRef", "this names no store");
        (StoreKind::ClusterParameterStore, String::new())
    };
    finish(external, kind, &name)
}

/// Returns the prefix that a store can have so that the keys stay to the letter; `None` if the names have to hold it.
fn store_prefix(prefix: &str, readers: &[External]) -> Option<String> {
    if prefix.is_empty() {
        return Some(String::new());
    }
    let levels = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_prefix = levels.starts_with('/') && parameter::check(levels).is_ok() && levels.len() <= LONGEST_PREFIX;
    let fits = |key: &String| {
        let is_joint = prefix.ends_with('/') != key.starts_with('/');
        is_joint && !key.starts_with("arn:") && !key.starts_with("/aws/")
    };
    let specs = || readers.iter().map(|external| &external.spec);
    let mut names = specs().flat_map(|spec| {
        let data = spec.data.iter().map(|entry| &entry.parameter);
        data.chain(spec.data_from.iter().filter_map(|entry| entry.parameter.as_ref()))
    });
    // ESO does not put the prefix before paths.
    let has_path = specs().any(|spec| spec.data_from.iter().any(|entry| entry.path.is_some()));
    (is_prefix && !has_path && names.all(fits)).then(|| levels.to_owned())
}

/// Puts the prefix of a store before the names of an object.
fn prepend(external: &mut External, prefix: &str) {
    let spec = &mut external.spec;
    let data = spec.data.iter_mut().map(|entry| &mut entry.parameter);
    for name in data.chain(spec.data_from.iter_mut().filter_map(|entry| entry.parameter.as_mut())) {
        name.insert_str(0, prefix);
    }
}

/// Makes the object that takes the place of an ExternalSecret.
fn finish(external: External, kind: StoreKind, store: &str) -> Translated {
    let External { namespace, metadata, mut spec, notes, .. } = external;
    let names = spec.data.iter().map(|entry| &entry.parameter);
    for name in names.chain(spec.data_from.iter().filter_map(|entry| entry.parameter.as_ref())) {
        if let Err(problem) = parameter::check(name)
            && !name.is_empty()
        {
            notes.not_translated("spec.data", problem);
        }
    }
    spec.store_ref = Some(StoreRef { kind: Some(kind), name: Some(store.to_owned()) });
    let target = spec.target.as_deref();
    let secret = target.and_then(|target| target.name.clone()).unwrap_or_else(|| metadata.name.clone());
    let merges = target.and_then(|target| target.creation_policy) == Some(CreationPolicy::Merge);
    // Several objects may add keys to one Secret, and it has one annotation.
    let allow = if merges { names::ALLOW_MERGE.to_owned() } else { format!("{namespace}/{}", metadata.name) };
    for name in [&metadata.name, &namespace, &secret].into_iter().chain([&store.to_owned()]) {
        if !name.is_empty() && !is_object_name(name) {
            notes.not_translated("metadata", format!("{name} is not the name of an object"));
        }
    }
    let consent = Consent { namespace: namespace.clone(), secret, allow };
    let is_empty = spec.data.is_empty() && spec.data_from.is_empty();
    let source = format!("ExternalSecret {namespace}/{}", metadata.name);
    let mut object = SecureParameter::new(&metadata.name, spec);
    object.metadata = meta(&metadata.name, Some(namespace), &metadata, &Notes::default());
    let notes = notes.into_sorted();
    let complete = is_complete(&notes);
    let object = serde_json::to_value(object).ok().filter(|_| !is_empty);
    Translated { source, complete, object, consent: complete.then_some(consent), notes }
}

/// Makes the store that takes the place of one of ESO.
fn finish_store(
    store: Store,
    name: &str,
    source: String,
    prefix: Option<String>,
    granted: &BTreeMap<String, BTreeSet<String>>,
) -> Translated {
    let Store { namespace, metadata, region, identity, notes, .. } = store;
    let prefix = prefix.filter(|prefix| !prefix.is_empty());
    if !is_object_name(name) {
        notes.not_translated("metadata", format!("{name} is not the name of an object"));
    }
    let object = match identity {
        Identity::Namespaced(identity) => {
            let spec = ParameterStoreSpec {
                region,
                fips: None,
                dual_stack: None,
                prefix,
                identity,
                decryption: None,
                revalidate_interval: None,
            };
            let mut object = ParameterStore::new(name, spec);
            object.metadata = meta(name, namespace, &metadata, &notes);
            serde_json::to_value(object)
        }
        Identity::Cluster(identity) => {
            let access = access::rules(granted, &notes);
            let identity = Some(identity).filter(|identity| *identity != ClusterIdentity::default());
            let spec =
                ClusterParameterStoreSpec { region, prefix, identity, access, ..ClusterParameterStoreSpec::default() };
            let mut object = ClusterParameterStore::new(name, spec);
            object.metadata = meta(name, None, &metadata, &notes);
            serde_json::to_value(object)
        }
    };
    let notes = notes.into_sorted();
    Translated { source, complete: is_complete(&notes), object: object.ok(), consent: None, notes }
}

/// Reports whether this is the name of an object: a DNS subdomain (RFC 1123).
fn is_object_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.chars().all(is_allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_complete(notes: &[Note]) -> bool {
    notes.iter().all(|note| note.effect != Effect::NotTranslated)
}

fn meta(name: &str, namespace: Option<String>, metadata: &Metadata, notes: &Notes) -> ObjectMeta {
    let labels = kept(&metadata.labels, "metadata.labels", notes);
    let annotations = kept(&metadata.annotations, "metadata.annotations", notes);
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace,
        labels: Some(labels).filter(|labels| !labels.is_empty()),
        annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stores_with_one_successor_are_drafts_and_so_are_their_readers() {
        let mut objects = Vec::new();
        for (namespace, name) in [("a", "b-c"), ("a-b", "c"), ("a", "other")] {
            let metadata = json!({"name": name, "namespace": namespace});
            let aws = json!({"service": "ParameterStore", "region": "eu-central-1"});
            objects.push(json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": metadata,
                "spec": {"provider": {"aws": aws}}}));
            let data = json!([{"secretKey": "key", "remoteRef": {"key": "/shop/db"}}]);
            objects
                .push(json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata,
                "spec": {"secretStoreRef": {"name": name}, "data": data}}));
        }
        let translated = translate(objects, "default");
        let complete: Vec<_> = translated.iter().map(|one| (one.source.as_str(), one.complete)).collect();
        assert_eq!(
            complete,
            [
                ("SecretStore a/b-c", false),
                ("SecretStore a/other", true),
                ("SecretStore a-b/c", false),
                ("ExternalSecret a-b/c", false),
                ("ExternalSecret a/b-c", false),
                ("ExternalSecret a/other", true),
            ]
        );
    }
}
