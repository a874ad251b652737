//! What an audit record says of each parameter of a call. Pure.

use crate::domain::{audit::ParameterOutcome, parameter::name::ParameterRef};
use crate::parameters::port::Parameter;

/// Most objects that one audit record lists.
pub(crate) const MAX_AUDITED_OBJECTS: usize = 100;

/// Returns the outcome of a parameter in a call that succeeded.
pub(crate) fn succeeded(parameter_ref: &ParameterRef, found: Option<&Parameter>, decrypted: bool) -> ParameterOutcome {
    let Some(found) = found else {
        return ParameterOutcome { outcome: "NotFound", ..failed(parameter_ref) };
    };
    ParameterOutcome {
        version: Some(found.version),
        type_: Some(found.type_.clone()),
        outcome: if decrypted && found.type_ == "SecureString" { "Decrypted" } else { "Read" },
        ..failed(parameter_ref)
    }
}

/// Returns the outcome of a parameter in a call that failed.
pub(crate) fn failed(parameter_ref: &ParameterRef) -> ParameterOutcome {
    ParameterOutcome {
        arn: parameter_ref.arn.clone(),
        selector: parameter_ref.selector.as_ref().map(ToString::to_string),
        version: None,
        type_: None,
        key: None,
        outcome: "Failed",
    }
}
