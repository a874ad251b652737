//! Which parameter of a response belongs to which name of the request. Pure.

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::port::{GetParametersResult, Parameter};

/// Returns the parameter for each requested name, `None` where it was not found.
///
/// Responses are in alphabetical order. Parameters are matched by ARN, or by name where the ARN is of another service,
/// as for `/aws/reference/secretsmanager/...`.
pub(crate) fn match_response(requested: &[&ParameterRef], mut response: GetParametersResult) -> Vec<Option<Parameter>> {
    let mut take = |parameter_ref: &ParameterRef| {
        let found = &mut response.parameters;
        let by_arn = found.iter().position(|parameter| parameter.arn == parameter_ref.arn);
        let position = by_arn.or_else(|| found.iter().position(|parameter| parameter.name == parameter_ref.name))?;
        Some(found.swap_remove(position))
    };
    requested.iter().map(|parameter_ref| take(parameter_ref)).collect()
}
