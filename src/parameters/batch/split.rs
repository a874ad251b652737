//! How a failed call is split, to find the name that made it fail. Pure.

use crate::domain::aws_error::{AwsError, Denial};
use crate::parameters::batch::requests::QueuedName;

/// Splits the names of a failed call into the one that the error names and the others, or into halves.
pub(crate) fn split(mut names: Vec<QueuedName>, error: &AwsError) -> [Vec<QueuedName>; 2] {
    let denied = Denial::parse(&error.message).resource;
    let culprit = names.iter().position(|name| Some(&*name.parameter_ref.arn) == denied);
    if let Some(position) = culprit {
        let culprit = names.remove(position);
        return [vec![culprit], names];
    }
    let second = names.split_off(names.len() / 2);
    [names, second]
}
