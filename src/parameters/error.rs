//! Why a parameter could not be read.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::Reason,
    domain::{
        Fault,
        aws_error::{AwsError, KeyState},
        parameter::{Scope, Wanted},
        plan::list,
    },
};

/// Why one parameter could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The parameter does not exist.
    #[error("does not exist")]
    NotFound,
    /// The parameter exists, but not with this version or label.
    #[error("exists, but not with this version or label")]
    VersionNotFound,
    /// The call failed as a whole.
    #[error("{error}")]
    Call {
        /// What AWS said.
        error: Arc<AwsError>,
        /// The key that stood in the way, if there was one and it could be described.
        key: Option<KeyState>,
    },
}

/// The failures of an object's parameters as one fault: a failed call before missing names, and all missing names at
/// once. `None` if there is none.
pub fn fault(errors: &BTreeMap<Wanted, ReadError>, principal: &str, scope: &Scope) -> Option<Fault> {
    let failed_call = errors.values().find_map(|error| match error {
        ReadError::Call { error, key } => Some((error, key.as_ref())),
        _ => None,
    });
    if let Some((error, key)) = failed_call {
        let names: Vec<_> = errors
            .iter()
            .filter(|(_, other)| matches!(other, ReadError::Call { error: other, .. } if other == error))
            .map(|(wanted, _)| wanted.to_string())
            .collect();
        return Some(error.fault(Some(principal), &names, scope, key));
    }
    let named = |which: fn(&ReadError) -> bool| -> Vec<String> {
        errors
            .iter()
            .filter(|(_, error)| which(error))
            .map(|(wanted, _)| wanted.to_string())
            .collect()
    };
    let missing = named(|error| matches!(error, ReadError::NotFound));
    let versions = named(|error| matches!(error, ReadError::VersionNotFound));
    let place = format!("in account {}, region {}", scope.account, scope.region);
    match (missing.is_empty(), versions.is_empty()) {
        (true, true) => None,
        (false, true) => Some(Fault::new(
            Reason::ParameterNotFound,
            format!(
                "Parameters {} do not exist {place}; create them or correct the names.",
                list(&missing)
            ),
        )),
        (true, false) => Some(Fault::new(
            Reason::VersionNotFound,
            format!(
                "Parameters {} exist {place}, but not with this version or label; AWS keeps the last 100 versions.",
                list(&versions)
            ),
        )),
        (false, false) => Some(Fault::new(
            Reason::ParameterNotFound,
            format!(
                "Parameters {} do not exist {place}, and {} not with this version or label; create them or correct the \
                 spec.",
                list(&missing),
                list(&versions)
            ),
        )),
    }
}
