//! What an audit record says of each parameter of a call. Pure.

use crate::domain::{audit::ParameterOutcome, parameter::name::ParameterRef};
use crate::parameters::port::Parameter;

/// Most objects that one audit record lists.
pub(crate) const MAX_AUDITED_OBJECTS: usize = 100;

/// Returns the outcome of a parameter that was read.
pub(crate) fn read(parameter_ref: &ParameterRef, parameter: &Parameter, decrypted: bool) -> ParameterOutcome {
    ParameterOutcome {
        version: Some(parameter.version),
        type_: Some(parameter.type_.clone()),
        outcome: if decrypted && parameter.type_ == "SecureString" { "Decrypted" } else { "Read" },
        ..failed(parameter_ref)
    }
}

/// Returns the outcome of a parameter that does not exist.
pub(crate) fn not_found(parameter_ref: &ParameterRef) -> ParameterOutcome {
    ParameterOutcome { outcome: "NotFound", ..failed(parameter_ref) }
}

/// Returns the outcome of a parameter in a call that failed.
pub(crate) fn failed(parameter_ref: &ParameterRef) -> ParameterOutcome {
    ParameterOutcome {
        arn: parameter_ref.arn.to_string(),
        selector: parameter_ref.selector.as_ref().map(ToString::to_string),
        version: None,
        type_: None,
        key: None,
        outcome: "Failed",
    }
}
