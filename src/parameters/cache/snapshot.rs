//! What the cache knows, as values. No calls are made.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{
    audit::Access,
    parameter::{name::ParameterRef, revision::Versions, scope::Scope},
    plan::types::{self, Lookups, Reads},
};
use crate::parameters::{
    cache::{
        observation::{Observation, PathObservation},
        version_table::VersionTable,
    },
    read_error::ReadError,
    reading::own_accesses,
};

/// What is known of the names that an object reads.
#[derive(Debug)]
pub(crate) enum Snapshot {
    /// At least one name was never observed.
    Incomplete,
    /// Every name was observed.
    Complete {
        /// The versions. `None` for optional parameters that do not exist.
        versions: Versions,
        /// The parameters that are missing or whose version is not known.
        errors: BTreeMap<ParameterRef, ReadError>,
        /// The calls that failed.
        accesses: Vec<Access>,
    },
}

/// What is known of the paths and newest versions that complete an object's plan.
#[derive(Debug, Default)]
pub(crate) struct LookupResult {
    /// What was found. Of a path that cannot be listed at present, what the last complete listing found.
    pub(crate) found: types::LookupResult,
    /// What is missing or could not be looked up.
    pub(crate) errors: BTreeMap<ParameterRef, ReadError>,
    /// The calls that failed.
    pub(crate) accesses: Vec<Access>,
}

/// Returns what is known of these names.
pub(crate) fn snapshot(table: &VersionTable, reads: &Reads<'_>) -> Snapshot {
    let (mut versions, mut errors, mut accesses) = (Versions::new(), BTreeMap::new(), Vec::<Arc<Access>>::new());
    for (parameter_ref, read) in reads {
        let Some(Observation { result, access }) = table.observation(parameter_ref) else {
            return Snapshot::Incomplete;
        };
        match result {
            Ok(metadata) => drop(versions.insert((*parameter_ref).clone(), Some(metadata.clone()))),
            Err(error) if error.is_absence() && read.optional => {
                versions.insert((*parameter_ref).clone(), None);
            }
            Err(error) => {
                errors.insert((*parameter_ref).clone(), error.clone());
                if let Some(access) = access.as_ref().filter(|a| !accesses.iter().any(|known| Arc::ptr_eq(known, a))) {
                    accesses.push(Arc::clone(access));
                }
            }
        }
    }
    Snapshot::Complete { versions, errors, accesses: own_accesses(accesses, reads) }
}

/// Returns what is known of these lookups. `None` if one of them was never observed.
pub(crate) fn lookup(table: &VersionTable, scope: &Scope, lookups: &Lookups) -> Option<LookupResult> {
    let mut lookup = LookupResult::default();
    for query in &lookups.listings {
        let PathObservation { result, access, .. } = table.listings.observation(query)?;
        if let Err(error) = result {
            lookup.errors.insert(query.parameter_ref(scope), error.clone());
            lookup.accesses.extend(access.as_deref().cloned());
        }
        let children = table.listings.children(query).cloned().unwrap_or_default();
        lookup.found.listings.insert(query.clone(), children);
    }
    for (parameter_ref, optional) in &lookups.newest {
        let Observation { result, access } = table.observation(parameter_ref)?;
        match result {
            Ok(metadata) => drop(lookup.found.newest.insert(parameter_ref.clone(), metadata.version)),
            Err(error) if error.is_absence() && *optional => {}
            Err(error) => {
                lookup.errors.insert(parameter_ref.clone(), error.clone());
                lookup.accesses.extend(access.as_deref().cloned());
            }
        }
    }
    Some(lookup)
}
