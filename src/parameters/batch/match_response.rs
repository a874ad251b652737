//! Which parameter of a response belongs to which name of the request. Pure.

use std::collections::BTreeSet;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::port::{GetParametersResult, Parameter};

/// What a response says of a requested name.
#[derive(Debug)]
pub(crate) enum Matched {
    /// The parameter.
    Found(Parameter),
    /// AWS says that the parameter, or its version or label, does not exist.
    Absent,
    /// AWS says nothing. That is a failure of the service, not an absence.
    LeftOut,
}

/// Returns what the response says of each requested name.
///
/// Responses are in alphabetical order. Parameters are matched by ARN, or by name where the ARN is of another service,
/// as for `/aws/reference/secretsmanager/...`. Absent ones are named as they were requested, selector included (Systems
/// Manager API Reference, GetParameters); the name without its selector is taken for it as well.
pub(crate) fn match_response(requested: &[ParameterRef], mut response: GetParametersResult) -> Vec<Matched> {
    let absent: BTreeSet<_> = response.invalid.iter().map(String::as_str).collect();
    let take = |parameter_ref: &ParameterRef| {
        let found = &mut response.parameters;
        let by_arn = found.iter().position(|parameter| *parameter.arn == *parameter_ref.arn);
        let position = by_arn.or_else(|| found.iter().position(|parameter| *parameter.name == *parameter_ref.name()));
        match position {
            Some(position) => Matched::Found(found.swap_remove(position)),
            None if absent.contains(parameter_ref.request_name().as_str()) => Matched::Absent,
            None if absent.contains(parameter_ref.name()) => Matched::Absent,
            None => Matched::LeftOut,
        }
    };
    requested.iter().map(take).collect()
}
