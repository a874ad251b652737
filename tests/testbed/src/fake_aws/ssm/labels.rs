//! `LabelParameterVersion` and `UnlabelParameterVersion`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::parameter::Parameter;
use crate::fake_aws::arn;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::service::{Reply, parse_input};
use crate::fake_aws::world::{Context, World};

const LABELS_LIMIT: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    parameter_version: Option<i64>,
    labels: Vec<String>,
}

/// Attaches labels to a version, or moves them there. Invalid labels are listed in the response.
pub(super) fn label(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    let parameter = find(world, context, &input.name, "ssm:LabelParameterVersion")?;
    let number = input.parameter_version.unwrap_or(parameter.latest().number);
    let at = parameter
        .versions
        .iter()
        .position(|version| version.number == number)
        .ok_or_else(|| no_version(number, &input.name))?;
    let (good, bad): (Vec<String>, Vec<String>) = input.labels.into_iter().partition(|label| is_label(label));
    let mut labels = parameter.versions[at].labels.clone();
    labels.extend(good.iter().filter(|label| !parameter.versions[at].labels.contains(label)).cloned());
    if labels.len() > LABELS_LIMIT {
        let message = "A parameter version can have a maximum of ten labels.";
        return Err(AwsError::new("ParameterVersionLabelLimitExceeded", message));
    }
    for version in &mut parameter.versions {
        version.labels.retain(|label| !good.contains(label));
    }
    parameter.versions[at].labels = labels;
    Ok(Reply::json(json!({"InvalidLabels": bad, "ParameterVersion": number})))
}

/// Removes labels from a version.
pub(super) fn unlabel(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    let parameter = find(world, context, &input.name, "ssm:UnlabelParameterVersion")?;
    let number = input.parameter_version.unwrap_or_default();
    let version = parameter.versions.iter_mut().find(|version| version.number == number);
    let version = version.ok_or_else(|| no_version(number, &input.name))?;
    let (removed, invalid): (Vec<String>, Vec<String>) =
        input.labels.into_iter().partition(|label| version.labels.contains(label));
    version.labels.retain(|label| !removed.contains(label));
    Ok(Reply::json(json!({"RemovedLabels": removed, "InvalidLabels": invalid})))
}

fn find<'a>(world: &'a mut World, context: &Context, name: &str, action: &str) -> Outcome<&'a mut Parameter> {
    let arn = arn::parameter(&context.region, &context.caller.account, name.trim());
    world.authorize(context, action, &arn)?;
    world.parameters.get_mut(&arn).ok_or_else(|| AwsError::new("ParameterNotFound", ""))
}

fn no_version(number: i64, name: &str) -> AwsError {
    let message =
        format!("Systems Manager could not find version {number} of {name}. Verify the version and try again.");
    AwsError::new("ParameterVersionNotFound", message)
}

fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    (1..=100).contains(&label.len())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && !lower.starts_with(|c: char| c.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}
