//! Parameter Store.

mod encryption;
mod filters;
mod index;
mod labels;
mod list;
mod names;
mod page;
mod parameter;
mod read;
mod reference;
mod write;

use serde_json::{Value, json};

use super::arn::Arn;
use super::error::Outcome;
use super::recorder::{Event, lower_camel};
use super::service::{Reply, unknown_operation};
use super::world::{Context, World};

pub(super) use index::ParameterIndex;
pub(super) use page::Tokens;
pub use parameter::{ParameterType, Tier};
pub(super) use write::{Put, put};

/// Executes an operation.
pub(super) fn dispatch(world: &mut World, context: &Context, operation: &str, input: &Value) -> Outcome<Reply> {
    match operation {
        "GetParameters" => read::get_parameters(world, context, input),
        "GetParameter" => read::get_parameter(world, context, input),
        "PutParameter" => write::put_parameter(world, context, input),
        "DeleteParameter" => write::delete_parameter(world, context, input),
        "DeleteParameters" => write::delete_parameters(world, context, input),
        "LabelParameterVersion" => labels::label(world, context, input),
        "UnlabelParameterVersion" => labels::unlabel(world, context, input),
        "DescribeParameters" => list::describe_parameters(world, context, input),
        "GetParametersByPath" => list::get_parameters_by_path(world, context, input),
        "GetParameterHistory" => list::get_parameter_history(world, context, input),
        other => Err(unknown_operation(other)),
    }
}

/// Event fields of the record: the request without its value, and all parameters that it names.
pub(super) fn event(context: &Context, operation: &str, input: &Value) -> Event {
    let mut request = lower_camel(input);
    if request.get("value").is_some() {
        request["value"] = json!("HIDDEN_DUE_TO_SECURITY_REASONS");
    }
    let many = input["Names"].as_array().into_iter().flatten();
    let named = many.chain(input.get("Name")).filter_map(Value::as_str);
    let arns = named.filter_map(|name| names::ParsedName::parse(context, name).ok()).map(|parsed| parsed.arn);
    let resource = |arn: String| json!({"accountId": Arn::parse(&arn).map(|arn| arn.account), "ARN": arn});
    Event {
        source: "ssm.amazonaws.com",
        name: operation.to_owned(),
        read_only: operation.starts_with("Get") || operation.starts_with("Describe"),
        request,
        response: Value::Null,
        resources: arns.map(resource).collect(),
    }
}

/// Lets another account read a parameter by its ARN. Returns false if it does not exist or is of the standard tier, which
/// cannot be shared.
pub(super) fn share(world: &mut World, arn: &str, account: &str) -> bool {
    match world.parameters.get_mut(arn) {
        Some(parameter) if parameter.latest().tier == Tier::Advanced => {
            parameter.shared_with.insert(account.to_owned());
            true
        }
        _ => false,
    }
}
