//! Why a parameter could not be read.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::Reason,
    domain::{
        Fault,
        audit::aws_error::{AwsError, AwsErrorKind},
        parameter::{key::KeyState, name::ParameterRef, scope::Scope},
        report::text::list,
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

impl ReadError {
    /// Nobody answered, for whatever reason: nothing is known then, least of all that something is absent.
    pub fn unanswered() -> Self {
        let message = "the answer was lost".to_owned();
        let error = AwsError { kind: AwsErrorKind::ServiceUnavailable, code: None, message, request_id: None };
        Self::Call { error: Arc::new(error), key: None }
    }

    /// Whether AWS is merely out of reach for a while.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Call { error, .. } if error.kind.reason().is_outage())
    }
}

/// The failures of an object's parameters as one fault: a failed call before missing names, and all missing names at
/// once. `None` if there is none.
pub fn fault(errors: &BTreeMap<ParameterRef, ReadError>, principal: &str, scope: &Scope) -> Option<Fault> {
    let failed_call = errors.values().find_map(|error| match error {
        ReadError::Call { error, key } => Some((error, key.as_ref())),
        _ => None,
    });
    if let Some((error, key)) = failed_call {
        let names: Vec<_> = errors
            .iter()
            .filter(|(_, other)| matches!(other, ReadError::Call { error: other, .. } if other == error))
            .map(|(parameter_ref, _)| parameter_ref.to_string())
            .collect();
        return Some(error.fault(Some(principal), &names, scope, key));
    }
    let named = |which: fn(&ReadError) -> bool| -> Vec<String> {
        errors.iter().filter(|(_, error)| which(error)).map(|(parameter_ref, _)| parameter_ref.to_string()).collect()
    };
    let missing = named(|error| matches!(error, ReadError::NotFound));
    let versions = named(|error| matches!(error, ReadError::VersionNotFound));
    let place = format!("in account {}, region {}", scope.account, scope.region);
    let versions_lack =
        || format!("without this version or label (AWS keeps the last 100 versions): {}", list(&versions));
    match (missing.is_empty(), versions.is_empty()) {
        (true, true) => None,
        (false, true) => Some(Fault::new(
            Reason::ParameterNotFound,
            format!("Not found {place}: {}; create what is missing or correct the names.", list(&missing)),
        )),
        (true, false) => Some(Fault::new(
            Reason::VersionNotFound,
            format!("Found {place}, but {}; correct version or label in the spec.", versions_lack()),
        )),
        (false, false) => Some(Fault::new(
            Reason::ParameterNotFound,
            format!("Not found {place}: {}; and {}; correct the spec.", list(&missing), versions_lack()),
        )),
    }
}
