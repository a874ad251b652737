//! Two sources that give the same key.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{KeyConflicts, Reason};
use crate::domain::{
    plan::types::{Place, PlannedSource, Source},
    report::{fault::Fault, text::list},
};

/// Applies the rule for sources that give the same key. With `LastWins`, sources that a later one certainly overrides are
/// left out, so that they are not read.
///
/// # Errors
/// `KeyCollision` with both parameters, with `Fail`.
pub(crate) fn settle(sources: Vec<PlannedSource>, rule: KeyConflicts) -> Result<Vec<PlannedSource>, Fault> {
    match rule {
        KeyConflicts::Fail => check(&sources).map(|()| sources),
        KeyConflicts::LastWins => Ok(without_overridden(sources)),
    }
}

fn check(sources: &[PlannedSource]) -> Result<(), Fault> {
    let mut origins: BTreeMap<&str, &Source> = BTreeMap::new();
    for source in sources {
        if let PlannedSource::Key(key) = source
            && let Some(other) = origins.insert(&key.key, &key.source)
        {
            return Err(collision(&key.key, other, &key.source));
        }
    }
    Ok(())
}

fn without_overridden(sources: Vec<PlannedSource>) -> Vec<PlannedSource> {
    let mut certain = BTreeSet::new();
    let mut kept: Vec<_> = sources
        .into_iter()
        .rev()
        .filter(|source| match source {
            PlannedSource::Key(key) if certain.contains(&key.key) => false,
            PlannedSource::Key(key) => {
                // A parameter that was listed exists.
                if !key.source.optional || key.source.listed {
                    certain.insert(key.key.clone());
                }
                true
            }
            PlannedSource::Fields(_) | PlannedSource::Path(_) => true,
        })
        .collect();
    kept.reverse();
    kept
}

/// Returns the fault for two sources that give the same key.
pub(crate) fn collision(key: &str, one: &Source, other: &Source) -> Fault {
    let origin = if one.parameter_ref == other.parameter_ref {
        format!("twice from {}", one.parameter_ref)
    } else {
        format!("from {}", list(&[one.parameter_ref.to_string(), other.parameter_ref.to_string()]))
    };
    let remedy = match (&one.place, &other.place) {
        (one, other) if one == other => format!("exclude one of them in {one}, or set {one}.keys"),
        (place @ Place::DataFrom(_), Place::Data(_)) | (_, place) => {
            format!("exclude or rename one of them, set {place}.keys, or set spec.keyConflicts to LastWins")
        }
    };
    Fault::new(Reason::KeyCollision, format!("Key {key} comes {origin}; {remedy}."))
}
