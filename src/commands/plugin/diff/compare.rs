//! What a manifest changes of an object, in keys.

use std::collections::BTreeMap;

use serde::Serialize;

use super::target;
use crate::{
    api::{
        SecureParameter,
        status::{LISTED_KEYS, ParameterStatus},
    },
    commands::plugin::{store::Store, text::count},
    domain::{
        Fault,
        access::{grant::Grant, namespace::Namespace, read_authority::ReadAuthority},
        parameter::{arn::ArnParts, scope::Scope},
        plan::key_changes::{KeyChange, KnownKeys},
    },
};

/// What is compared.
pub(super) struct Sides<'a> {
    /// The object in the cluster, if it exists.
    pub(super) live: Option<&'a SecureParameter>,
    /// Its store, if that is known.
    pub(super) live_store: Option<&'a Store<'a>>,
    /// The changed manifest.
    pub(super) manifest: &'a SecureParameter,
    /// The store that it names, if that is known.
    pub(super) store: Option<&'a Store<'a>>,
}

/// What was found of an object.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Compared {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Whether anything of the Secret changes.
    #[serde(rename = "changed")]
    pub(super) is_changed: bool,
    pub(super) changes: Vec<Changed>,
    /// How many keys stay as they are, as far as that is known.
    pub(super) unchanged: usize,
    /// Sources whose keys only a read tells.
    pub(super) unknown: Vec<String>,
    /// Why the operator would refuse the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
    pub(super) notes: Vec<String>,
}

/// A key that changes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    /// `+`, `-` or `~`.
    #[serde(rename = "change")]
    pub(super) sign: &'static str,
    pub(super) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl Changed {
    fn new((key, change): (String, KeyChange)) -> Self {
        let (sign, before, after) = match change {
            KeyChange::Added(after) => ("+", None, Some(after.text)),
            KeyChange::Removed(before) => ("-", Some(before.text), None),
            KeyChange::Changed(before, after) => ("~", Some(before.text), Some(after.text)),
        };
        Self { sign, key, before, after }
    }

    /// Where the value comes from, before and after.
    pub(super) fn text(&self) -> String {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before == after => format!("{after}, which is changed"),
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            (before, after) => before.as_ref().or(after.as_ref()).cloned().unwrap_or_default(),
        }
    }
}

impl Compared {
    fn of(object: &SecureParameter) -> Self {
        let meta = &object.metadata;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self { namespace: text(&meta.namespace), name: text(&meta.name), ..Self::default() }
    }

    fn with_changes(mut self, changes: BTreeMap<String, KeyChange>) -> Self {
        self.changes = changes.into_iter().map(Changed::new).collect();
        self.is_changed |= !self.changes.is_empty() || !self.unknown.is_empty();
        self
    }

    fn refused_for(mut self, fault: &Fault) -> Self {
        self.refused = Some(format!("{}: {}", fault.reason, fault.message));
        self
    }

    /// The last line.
    pub(super) fn summary(&self) -> String {
        let number = |sign| self.changes.iter().filter(|change| change.sign == sign).count();
        if self.refused.is_some() {
            return "The Secret would stay as it is.".to_owned();
        }
        if !self.is_changed {
            return "No key changes.".to_owned();
        }
        let parts = [("+", "added"), ("-", "removed"), ("~", "changed")];
        let parts = parts.map(|(sign, word)| format!("{} {word}", number(sign)));
        format!("Keys: {}, {} unchanged.", parts.join(", "), self.unchanged)
    }
}

/// Returns what a manifest changes. `reader` is the namespace.
pub(super) fn compare(sides: &Sides<'_>, reader: &Namespace, note: Option<String>) -> Compared {
    let Sides { live, live_store, manifest, store } = *sides;
    let mut compared = Compared::of(manifest);
    compared.notes.extend(note);
    let status = live.and_then(|live| live.status.as_deref()).cloned().unwrap_or_default();
    let read = status.parameters.as_slice();
    let before = live.map(|live| known(live, live_store, read, None)).transpose();
    let before = before.unwrap_or_else(|fault| {
        compared.notes.push(format!("The object as it is was refused ({}), so its keys are not known.", fault.reason));
        None
    });
    let before = before.unwrap_or_default();
    if live.is_none() {
        compared.notes.push("The object does not exist yet.".to_owned());
    }
    compared.notes.extend(live.and_then(|_| unlisted(&status.parameters, status.parameter_count)));
    let after = match known(manifest, store, read, Some(&before)) {
        Ok(after) => after,
        Err(fault) => return compared.refused_for(&fault),
    };
    if let Some(fault) = denied(manifest, store, reader) {
        compared = compared.refused_for(&fault);
    }
    let notes = target::notes(live, manifest);
    compared.is_changed |= !notes.is_empty();
    compared.notes.extend(notes);
    compared.unchanged = before.unchanged(&after);
    compared.unknown.clone_from(&after.unknown);
    compared.with_changes(before.changes(&after))
}

/// Returns what the object's own spec changes of the Secret as it was last written.
pub(super) fn pending(object: &SecureParameter, store: Option<&Store<'_>>, note: Option<String>) -> Compared {
    let mut compared = Compared::of(object);
    compared.notes.extend(note);
    let status = object.status.as_deref().cloned().unwrap_or_default();
    let keys = match known(object, store, &status.parameters, None) {
        Ok(keys) => keys,
        Err(fault) => return compared.refused_for(&fault),
    };
    compared.notes.extend(unlisted(&status.parameters, status.parameter_count));
    if object.spec.is_suspended() {
        compared.notes.push("The object is suspended: nothing is written until it is resumed.".to_owned());
    }
    let changes = keys.pending(&status.parameters, &scope(store, &status.parameters));
    let added = changes.values().filter(|change| matches!(change, KeyChange::Added(_))).count();
    let listed: usize = status.parameters.iter().map(|parameter| parameter.keys.len()).sum();
    compared.unchanged = (listed + added).saturating_sub(changes.len());
    compared.with_changes(changes)
}

fn known(
    object: &SecureParameter,
    store: Option<&Store<'_>>,
    read: &[ParameterStatus],
    before: Option<&KnownKeys>,
) -> Result<KnownKeys, Fault> {
    let scope = scope(store, read);
    let authority = ReadAuthority {
        scope: &scope,
        prefix: store.map(|store| store.prefix).unwrap_or_default(),
        grant: None,
        namespace: object.metadata.namespace.as_deref().unwrap_or_default(),
        store: "the store",
    };
    KnownKeys::of(&object.spec, &authority, read, before)
}

/// Returns why the access rules refuse a manifest, if they do.
///
/// Rules may go by the labels of the namespace: nothing is said of one whose labels the user cannot see.
fn denied(manifest: &SecureParameter, store: Option<&Store<'_>>, reader: &Namespace) -> Option<Fault> {
    let store = store.filter(|_| !reader.is_hidden)?;
    let grant = Grant::new(store.access?, reader).ok()?;
    let (scope, title) = (scope(Some(store), &[]), store.title());
    let authority = ReadAuthority {
        scope: &scope,
        prefix: store.prefix,
        grant: Some(&grant),
        namespace: &reader.name,
        store: &title,
    };
    KnownKeys::of(&manifest.spec, &authority, &[], None).err()
}

/// The place that plain names belong to: that of the store, or of what was read.
fn scope(store: Option<&Store<'_>>, read: &[ParameterStatus]) -> Scope {
    let of_read = || {
        let parts = read.first().and_then(|parameter| ArnParts::parse(&parameter.arn))?;
        let (partition, region, account) = (parts.partition, parts.region, parts.account);
        Some(Scope { partition: partition.to_owned(), region: region.to_owned(), account: account.to_owned() })
    };
    let nowhere = || Scope { partition: "aws".to_owned(), region: String::new(), account: String::new() };
    store.and_then(Store::scope).or_else(of_read).unwrap_or_else(nowhere)
}

/// Says what the status does not list.
fn unlisted(read: &[ParameterStatus], all: Option<i32>) -> Option<String> {
    let all = all.and_then(|all| usize::try_from(all).ok()).unwrap_or_default();
    let is_cut = all > read.len() || read.iter().any(|parameter| parameter.keys.len() == LISTED_KEYS);
    is_cut.then(|| {
        let listed = count(read.len(), "parameter");
        format!("The status lists {listed} of {all} and {LISTED_KEYS} keys of each, so more keys may change.")
    })
}
