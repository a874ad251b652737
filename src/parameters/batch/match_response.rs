//! What a call asked for, against what came of it. Pure.

use crate::domain::{
    audit::{
        ObjectRef, ParameterOutcome,
        aws_error::{AwsError, Denial},
    },
    parameter::name::ParameterRef,
};
use crate::parameters::{
    batch::queue::QueuedName,
    port::{Answer, Parameter},
};

/// Most objects that one audit record lists.
pub const AUDITED_OBJECTS: usize = 100;

/// The objects that a call is made for, each once.
pub fn objects(batch: &[QueuedName]) -> Vec<ObjectRef> {
    let mut objects: Vec<ObjectRef> = Vec::new();
    for object in batch.iter().flat_map(|item| &item.waiters).flat_map(|waiter| &waiter.objects) {
        if objects.len() < AUDITED_OBJECTS && !objects.contains(object) {
            objects.push(object.clone());
        }
    }
    objects
}

/// Two parts of a failed call: the parameter that the error names and the rest, or two halves.
pub fn split(mut batch: Vec<QueuedName>, error: &AwsError) -> [Vec<QueuedName>; 2] {
    let named = Denial::parse(&error.message).resource;
    let culprit = batch.iter().position(|item| Some(item.parameter_ref.arn.as_str()) == named);
    if let Some(position) = culprit {
        let culprit = batch.remove(position);
        return [vec![culprit], batch];
    }
    let second = batch.split_off(batch.len() / 2);
    [batch, second]
}

/// Per asked name what was found. Answers come in the service's order, so the match is by ARN, or by name where the ARN
/// is of another service (`/aws/reference/secretsmanager/...`).
pub fn match_answer(asked: &[&ParameterRef], mut answer: Answer) -> Vec<Option<Parameter>> {
    let mut take = |parameter_ref: &ParameterRef| {
        let by_arn = answer.found.iter().position(|parameter| parameter.arn == parameter_ref.arn);
        let position =
            by_arn.or_else(|| answer.found.iter().position(|parameter| parameter.name == parameter_ref.name));
        position.map(|position| answer.found.swap_remove(position))
    };
    asked.iter().map(|parameter_ref| take(parameter_ref)).collect()
}

/// What became of a name in a call that succeeded.
pub fn outcome(parameter_ref: &ParameterRef, found: Option<&Parameter>, decrypts: bool) -> ParameterOutcome {
    let Some(found) = found else {
        return ParameterOutcome { outcome: "NotFound", ..failed(parameter_ref) };
    };
    ParameterOutcome {
        version: Some(found.version),
        type_: Some(found.type_.clone()),
        outcome: if decrypts && found.type_ == "SecureString" { "Decrypted" } else { "Read" },
        ..failed(parameter_ref)
    }
}

/// What became of a name in a call that failed.
pub fn failed(parameter_ref: &ParameterRef) -> ParameterOutcome {
    ParameterOutcome {
        arn: parameter_ref.arn.clone(),
        selector: parameter_ref.selector.as_ref().map(ToString::to_string),
        version: None,
        type_: None,
        key: None,
        outcome: "Failed",
    }
}
