//! `ExternalSecret`: which parameters become which Secret.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    api::{Interval, SecureParameterSpec, Target},
    domain::migrate::{
        fields::Fields,
        interval,
        metadata::{self, Metadata},
        note::Notes,
        sources,
        store::StoreName,
        target,
    },
};

/// The interval of an ExternalSecret that names none.
const DEFAULT_INTERVAL: &str = "1h";

/// What is read of an ExternalSecret. Names of parameters are as they stand there, without the prefix of the store.
#[derive(Debug)]
pub(super) struct External {
    pub(super) namespace: String,
    pub(super) metadata: Metadata,
    /// The store that all of it is read from.
    pub(super) store: Option<StoreName>,
    pub(super) spec: SecureParameterSpec,
    pub(super) notes: Notes,
}

/// Reads an ExternalSecret.
pub(super) fn read(value: Value, namespace: String) -> External {
    let notes = Notes::default();
    let (metadata, store, spec) = {
        let mut root = Fields::new(value, "", &notes);
        let metadata = metadata::read(&mut root);
        let place = root.place("spec");
        let mut spec = root.object("spec").unwrap_or_else(|| Fields::new(Value::Null, place, &notes));
        let (store, translated) = read_spec(&mut spec, &metadata);
        (metadata, store, translated)
    };
    if metadata.name.is_empty() {
        notes.not_translated("metadata.name", "this is missing");
    }
    External { namespace, metadata, store, spec, notes }
}

fn read_spec(spec: &mut Fields<'_>, metadata: &Metadata) -> (Option<StoreName>, SecureParameterSpec) {
    let notes = spec.notes();
    let store = spec.object("secretStoreRef").and_then(|mut reference| StoreName::read(&mut reference));
    let mut sources = sources::read(spec, store.as_ref());
    if sources.data.is_empty() && sources.data_from.is_empty() {
        notes.not_translated(&spec.place("data"), "nothing that can be read is left");
    }
    let keys: BTreeSet<String> = sources.data.iter().map(|entry| entry.key.clone()).collect();
    let target::ReadTarget { target, optional } = target::read(spec, metadata, &keys);
    if optional {
        sources.data.iter_mut().for_each(|entry| entry.value.optional = Some(true));
        sources.data_from.iter_mut().for_each(|entry| entry.value.optional = Some(true));
    }
    if sources.stores.len() > 1 {
        let text =
            "the entries are read from several stores, and a SecureParameter has one; divide it, and merge the Secrets";
        notes.not_translated(&spec.place("sourceRef"), text);
    }
    let refresh_interval = Some(refresh_interval(spec));
    if spec.take("syncWindows").is_some() {
        notes.dropped(&spec.place("syncWindows"), "changes are taken over at any time of the day");
    }
    let target = Some(Box::new(target)).filter(|target| **target != Target::default());
    let store = sources.stores.pop_first().or(store);
    let spec = SecureParameterSpec {
        refresh_interval,
        data: sources.data,
        data_from: sources.data_from,
        key_conflicts: sources.key_conflicts,
        target,
        ..SecureParameterSpec::default()
    };
    (store, spec)
}

fn refresh_interval(spec: &mut Fields<'_>) -> Interval {
    let (notes, place) = (spec.notes(), spec.place("refreshInterval"));
    let text = spec.text("refreshInterval").unwrap_or_else(|| DEFAULT_INTERVAL.to_owned());
    let (interval, is_same) = interval::parse(&text).map_or_else(
        || {
            notes.check(&place, format!("{text} is not a duration; 1h is used, as ESO does without one"));
            (interval::written(3_600), true)
        },
        interval::nearest,
    );
    if !is_same {
        notes.check(&place, format!("{text} becomes {}; the limits are 10s and 168h, in whole seconds", interval.0));
    }
    let policy = spec.text("refreshPolicy");
    let place = spec.place("refreshPolicy");
    match policy.as_deref() {
        None | Some("Periodic") if interval.0 != "0s" => return interval,
        None | Some("Periodic") => {}
        Some(policy @ ("CreatedOnce" | "OnChange")) => {
            notes.check(&place, format!("{policy} becomes refreshInterval: 0s, which does not poll"));
        }
        Some(other) => notes.not_translated(&place, format!("{other} is not a known policy")),
    }
    let text = "with 0s nothing is polled, but a changed spec or store, the sync annotation, a change event of the store's queue, or \
                a Secret that somebody changed still let the newest values be read; suspend: true freezes the Secret";
    notes.check(&spec.place("refreshInterval"), text);
    interval::written(0)
}
