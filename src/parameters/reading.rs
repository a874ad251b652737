//! The result of reading an object's parameters.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::domain::{
    audit::{Access, ParameterOutcome},
    parameter::{name::ParameterRef, revision::Versions},
    plan::types::Reads,
    secret::content::Values,
};
use crate::parameters::{batch::ssm_fallback::SsmFallback, read_error::ReadError};

/// The result of reading an object's parameters.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The versions that were read. `None` for optional parameters that do not exist.
    pub(crate) versions: Versions,
    /// The values.
    pub(crate) values: Values,
    /// ARNs of the keys, as far as the answers name them: those of values that KMS decrypted.
    pub(crate) keys: BTreeMap<ParameterRef, Arc<str>>,
    /// The parameters that could not be read. Optional parameters that do not exist are not among them.
    pub(crate) errors: BTreeMap<ParameterRef, ReadError>,
    /// The AWS calls, each with the object's own parameters only.
    pub(crate) accesses: Vec<Access>,
    /// The parameters that Parameter Store decrypted although KMS was to decrypt them, and why.
    pub(crate) fallbacks: BTreeMap<ParameterRef, SsmFallback>,
}

/// Reduces calls to an object's own parameters. One call serves many objects, and no object may learn what others read.
///
/// A call counts as failed if it did not find a parameter that is not optional, or says nothing of one.
pub(crate) fn own_accesses(accesses: Vec<Arc<Access>>, reads: &Reads<'_>) -> Vec<Access> {
    let selector = |parameter_ref: &ParameterRef| parameter_ref.selector.as_ref().map(ToString::to_string);
    let requested: HashMap<_, _> = reads
        .iter()
        .map(|(parameter_ref, read)| ((&*parameter_ref.arn, selector(parameter_ref)), read.optional))
        .collect();
    let is_optional =
        |parameter: &ParameterOutcome| requested.get(&(parameter.arn.as_str(), parameter.selector.clone())).copied();
    let own = |access: Arc<Access>| {
        let mut access = Access::clone(&access);
        access.parameters.retain(|parameter| is_optional(parameter).is_some());
        let is_missing = |p: &ParameterOutcome| p.outcome == "NotFound" && is_optional(p) == Some(false);
        access.failed |= access.parameters.iter().any(|p| is_missing(p) || p.outcome == "Failed");
        access
    };
    accesses.into_iter().map(own).filter(|access| !access.parameters.is_empty()).collect()
}
