//! The paged operations: `DescribeParameters`, `GetParametersByPath`, `GetParameterHistory`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::filters::{Filter, OF_METADATA, OF_PATHS, check, passes};
use super::names::check_path;
use super::page::{Cut, Page};
use super::parameter::Parameter;
use super::read::Shown;
use crate::fake_aws::arn;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::iam::{Access, Keys};
use crate::fake_aws::service::{Reply, parse_input};
use crate::fake_aws::world::{Context, World};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Input {
    name: String,
    path: String,
    recursive: bool,
    with_decryption: bool,
    shared: bool,
    parameter_filters: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl Input {
    fn cut(&self, operation: &'static str, limit: usize) -> Cut<'_> {
        Cut { operation, limit, max_results: self.max_results, next_token: self.next_token.as_deref() }
    }
}

fn reply(field: &str, items: Vec<Value>, next: Option<String>) -> Reply {
    let mut body = json!({});
    body[field] = Value::Array(items);
    if let Some(next) = next {
        body["NextToken"] = json!(next);
    }
    Reply::json(body)
}

/// Metadata of all parameters, never a value.
pub(super) fn describe_parameters(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    check(&input.parameter_filters, OF_METADATA)?;
    let (region, account) = (&context.region, &context.caller.account);
    world.authorize(context, "ssm:DescribeParameters", &arn::all_of_ssm(region, account))?;
    let visible = |parameter: &Parameter| {
        &parameter.region == region
            && if input.shared { parameter.shared_with.contains(account) } else { &parameter.account == account }
    };
    // Filters by name apply before paging, other filters after it.
    let (names, others): (Vec<_>, Vec<_>) = input.parameter_filters.iter().cloned().partition(Filter::is_on_names);
    let candidates = world.parameters.all().filter(|(_, parameter)| visible(parameter) && passes(parameter, &names));
    let page = Page::cut(candidates, &input.cut("DescribeParameters", 50), &world.tokens)?;
    let passing = page.items.iter().filter(|parameter| passes(parameter, &others));
    let entry = |parameter: &&Parameter| {
        let mut metadata = parameter.latest().metadata(&parameter.name);
        metadata["ARN"] = json!(parameter.arn);
        metadata
    };
    Ok(reply("Parameters", passing.map(entry).collect(), page.next))
}

/// Values below a path. Only the path is authorised, not the parameters below it.
pub(super) fn get_parameters_by_path(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    check(&input.parameter_filters, OF_PATHS)?;
    check_path(&input.path)?;
    let path = arn::parameter(&context.region, &context.caller.account, input.path.trim_end_matches('/'));
    let keys = Keys::default().with("ssm:Recursive", &input.recursive.to_string());
    world.permit(context, Access::new("ssm:GetParametersByPath", &path).with_keys(keys))?;
    let below = world.parameters.below(&path, input.recursive);
    let Page { items, next } = Page::cut(below, &input.cut("GetParametersByPath", 10), &world.tokens)?;
    let label = input.parameter_filters.iter().find(|filter| filter.key == "Label");
    let passing = items.iter().filter(|parameter| passes(parameter, &input.parameter_filters));
    let selected = passing.filter_map(|parameter| {
        let version = label.map_or(Some(parameter.latest()), |filter| parameter.labelled(&filter.values))?;
        Some((parameter.name.clone(), parameter.arn.clone(), version.clone()))
    });
    let mut parameters = Vec::new();
    for (name, arn, version) in selected.collect::<Vec<_>>() {
        let shown = Shown { name: &name, arn: &arn, selector: None, version: &version };
        parameters.push(shown.render(world, context, input.with_decryption)?);
    }
    Ok(reply("Parameters", parameters, next))
}

/// All versions of one parameter, oldest first.
pub(super) fn get_parameter_history(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    let arn = arn::parameter(&context.region, &context.caller.account, input.name.trim());
    world.authorize(context, "ssm:GetParameterHistory", &arn)?;
    let parameter = world.parameters.get(&arn).ok_or_else(|| AwsError::new("ParameterNotFound", ""))?;
    let name = parameter.name.clone();
    let versions = parameter.versions.iter().map(|version| (format!("{:012}", version.number), version.clone()));
    let page = Page::cut(versions, &input.cut("GetParameterHistory", 50), &world.tokens)?;
    let mut versions = Vec::new();
    for version in &page.items {
        let shown = Shown { name: &name, arn: &arn, selector: None, version };
        let mut entry = version.metadata(&name);
        entry["Value"] = json!(shown.value(world, context, input.with_decryption)?);
        entry["Labels"] = json!(version.labels);
        versions.push(entry);
    }
    Ok(reply("Parameters", versions, page.next))
}
