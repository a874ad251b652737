//! What AWS said, since the operator started, of the keys that access rules ask for. Pure.
//!
//! A status does not count: it may name the key that an alias led to later on, and others may write it.

use std::{collections::HashMap, sync::Arc};

use k8s_openapi::jiff::Timestamp;

use crate::domain::parameter::{name::ParameterRef, revision::Metadata};
use crate::parameters::port::ParameterDescription;

/// One version of a parameter. Numbers start over when a parameter is created anew, so the time belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionStamp(i64, Option<i64>);

impl VersionStamp {
    /// The version that was read or observed.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self(metadata.version, metadata.last_modified.map(Timestamp::as_millisecond))
    }

    /// The version that was described.
    pub(crate) fn of_description(description: &ParameterDescription) -> Self {
        Self(description.version, description.last_modified.map(Timestamp::as_millisecond))
    }
}

/// What is known of the key of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The version.
    pub(crate) stamp: VersionStamp,
    /// ARNs of the key: its own, that of an alias, or both.
    pub(crate) arns: Vec<Arc<str>>,
    /// Whether the version was described, so that there is nothing more to learn.
    pub(crate) is_described: bool,
}

/// The evidence for all names that need a certain key.
#[derive(Debug, Default)]
pub(crate) struct KeyEvidence(HashMap<ParameterRef, Evidence>);

impl KeyEvidence {
    /// Returns what is known of a name, in whatever version.
    pub(crate) fn get(&self, parameter_ref: &ParameterRef) -> Option<&Evidence> {
        self.0.get(parameter_ref)
    }

    /// Adds to what is known of a version. What was known of another version is forgotten.
    pub(crate) fn add(&mut self, parameter_ref: &ParameterRef, evidence: Evidence) {
        match self.0.get_mut(parameter_ref).filter(|known| known.stamp == evidence.stamp) {
            Some(known) => {
                known.is_described |= evidence.is_described;
                known.arns.extend(evidence.arns);
                known.arns.sort_unstable();
                known.arns.dedup();
            }
            None => drop(self.0.insert(parameter_ref.clone(), evidence)),
        }
    }

    /// Removes a name that nobody watches any more.
    pub(crate) fn forget(&mut self, parameter_ref: &ParameterRef) {
        self.0.remove(parameter_ref);
    }
}
