//! What a manifest changes of a Secret besides its keys.

use crate::api::{ReclaimPolicy, SecureParameter};

/// Returns a sentence for each change.
pub(super) fn notes(live: Option<&SecureParameter>, manifest: &SecureParameter) -> Vec<String> {
    let Some(live) = live else { return Vec::new() };
    let mut notes = Vec::new();
    let (before, after) = (live.spec.store(), manifest.spec.store());
    if before != after {
        let title = |(kind, name): (crate::api::StoreKind, &str)| format!("{} {name}", kind.as_str());
        notes.push(format!("All values are read through {} instead of {}.", title(after), title(before)));
    }
    let (old, new) = (live.secret_name(), manifest.secret_name());
    if old != new {
        let fate = match manifest.spec.reclaim_policy() {
            _ if live.spec.merges() => "loses these keys",
            ReclaimPolicy::Delete => "is deleted",
            ReclaimPolicy::Retain => "is left as it is",
        };
        notes.push(format!("All keys are written to Secret {new}; Secret {old} {fate} afterwards."));
    }
    if live.spec.merges() != manifest.spec.merges() {
        let policy = if manifest.spec.merges() { "Merge" } else { "Owner" };
        notes.push(format!("The creationPolicy becomes {policy}, so the Secret belongs to somebody else than before."));
    }
    let (old, new) = (live.spec.secret_type(), manifest.spec.secret_type());
    if old != new {
        notes.push(format!("The Secret is deleted and created again, since its type becomes {new} instead of {old}."));
    } else if is_immutable(live) && !is_immutable(manifest) {
        notes.push("The Secret is deleted and created again, since it is immutable.".to_owned());
    }
    if manifest.spec.is_suspended() && !live.spec.is_suspended() {
        notes.push("The object is suspended by the manifest: nothing is written until it is resumed.".to_owned());
    }
    notes
}

fn is_immutable(object: &SecureParameter) -> bool {
    object.spec.target.as_ref().and_then(|target| target.immutable).unwrap_or_default()
}
