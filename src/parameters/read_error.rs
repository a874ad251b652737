//! Why a parameter could not be read, and how that is reported.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::Reason,
    domain::{
        Fault,
        aws_error::{AwsError, AwsErrorKind},
        parameter::{key::KeyState, name::ParameterRef, scope::Scope},
        report::text::list,
    },
};

/// Why one parameter could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The parameter does not exist.
    #[error("does not exist")]
    NotFound,
    /// The parameter exists, but not with this version or label.
    #[error("has no such version or label")]
    VersionNotFound,
    /// More than this many parameters are below the path.
    #[error("has more than {0} parameters below it")]
    TooMany(usize),
    /// The call failed as a whole.
    #[error("{error}")]
    Call {
        /// The error of the call.
        error: Arc<AwsError>,
        /// The key that caused the failure, if there was one and KMS describes it.
        key: Option<Box<KeyState>>,
    },
}

impl ReadError {
    /// Returns the error of a call that failed as a whole, for a reason other than a key.
    pub(crate) fn of_call(error: AwsError) -> Self {
        Self::Call { error: Arc::new(error), key: None }
    }

    /// Returns the error of a read that ended without a result. Nothing is known then; in particular, the parameter is
    /// not known to be absent.
    pub(crate) fn interrupted() -> Self {
        Self::of_call(service_failure("the read was interrupted".to_owned()))
    }

    /// Reports whether AWS is temporarily unavailable.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Call { error, .. } if error.kind.reason().is_outage())
    }

    /// Reports whether the parameter, or its version or label, does not exist.
    pub(crate) const fn is_absence(&self) -> bool {
        matches!(self, Self::NotFound | Self::VersionNotFound)
    }
}

/// Returns a failure of the service that AWS did not report as an error.
pub(crate) fn service_failure(message: String) -> AwsError {
    AwsError { kind: AwsErrorKind::ServiceUnavailable, code: None, message, request_id: None }
}

/// Summarizes the errors of an object's parameters as one fault. A failed call is reported rather than missing
/// parameters; missing parameters are reported together. `None` if there are no errors.
pub(crate) fn fault(errors: &BTreeMap<ParameterRef, ReadError>, principal: &str, scope: &Scope) -> Option<Fault> {
    let failed_call = errors.values().find_map(|error| match error {
        ReadError::Call { error, key } => Some((error, key.as_deref())),
        _ => None,
    });
    let Some((error, key)) = failed_call else { return too_many(errors).or_else(|| missing(errors, scope)) };
    let has_same_cause = |other: &ReadError| matches!(other, ReadError::Call { error: other, .. } if other == error);
    Some(error.fault(Some(principal), &names(errors, has_same_cause), scope, key))
}

fn too_many(errors: &BTreeMap<ParameterRef, ReadError>) -> Option<Fault> {
    let too_many = |(path, error): (&ParameterRef, &ReadError)| match error {
        ReadError::TooMany(most) => Some((path.clone(), *most)),
        _ => None,
    };
    let (path, most) = errors.iter().find_map(too_many)?;
    let message = format!(
        "More than {most} parameters are below path {}, which is more than one Secret is for; name a longer path in \
         spec.dataFrom, or several.",
        path.name()
    );
    Some(Fault::new(Reason::SecretTooLarge, message))
}

fn missing(errors: &BTreeMap<ParameterRef, ReadError>, scope: &Scope) -> Option<Fault> {
    let parameters = names(errors, |error| matches!(error, ReadError::NotFound));
    let versions = names(errors, |error| matches!(error, ReadError::VersionNotFound));
    let place = format!("in account {}, region {}", scope.account, scope.region);
    let parameters_missing = format!("{} not found {place}: {}", plural("Parameter", &parameters), list(&parameters));
    let (reason, message) = match (parameters.is_empty(), versions.is_empty()) {
        (true, true) => return None,
        (false, true) => (
            Reason::ParameterNotFound,
            format!("{parameters_missing}; create what is missing, or correct the name in the spec."),
        ),
        (true, false) => (
            Reason::VersionNotFound,
            format!(
                "{} {place} without the requested version or label: {}; correct the version or label in the spec (AWS \
                 keeps the last 100 versions).",
                plural("Parameter", &versions),
                list(&versions)
            ),
        ),
        (false, false) => (
            Reason::ParameterNotFound,
            format!("{parameters_missing}; version or label not found: {}; correct the spec.", list(&versions)),
        ),
    };
    Some(Fault::new(reason, message))
}

fn names(errors: &BTreeMap<ParameterRef, ReadError>, is_meant: impl Fn(&ReadError) -> bool) -> Vec<String> {
    errors.iter().filter(|(_, error)| is_meant(error)).map(|(parameter_ref, _)| parameter_ref.to_string()).collect()
}

fn plural(noun: &str, names: &[String]) -> String {
    if names.len() == 1 { noun.to_owned() } else { format!("{noun}s") }
}
