//! The paged operations: `DescribeParameters`, `GetParametersByPath`, `GetParameterHistory`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::filters::{Filter, check, passes};
use super::parameter::Parameter;
use super::read::Shown;
use crate::fake_aws::arn;
use crate::fake_aws::error::{AwsError, Outcome};
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
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The part of a list that one answer holds. Filters apply to it afterwards, so that it may come out empty.
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Page<T> {
    fn cut(all: impl Iterator<Item = T>, input: &Input, limit: usize) -> Outcome<Self> {
        let size = input.max_results.unwrap_or(limit);
        if !(1..=limit).contains(&size) {
            let constraint = format!("Member must have value less than or equal to {limit}");
            return Err(AwsError::constraint(&size.to_string(), "maxResults", &constraint));
        }
        let start = match input.next_token.as_deref().filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => read_token(token)
                .ok_or_else(|| AwsError::new("InvalidNextToken", "The specified token isn't valid."))?,
        };
        let mut items: Vec<T> = all.skip(start).take(size + 1).collect();
        let more = items.len() > size;
        items.truncate(size);
        Ok(Self { items, next: more.then(|| BASE64.encode(format!("after:{}", start + size))) })
    }
}

fn read_token(token: &str) -> Option<usize> {
    let bytes = BASE64.decode(token).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("after:")?.parse().ok()
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
    check(&input.parameter_filters)?;
    let (region, account) = (&context.region, &context.caller.account);
    world.authorize(context, "ssm:DescribeParameters", &format!("arn:aws:ssm:{region}:{account}:*"))?;
    let visible = |parameter: &&Parameter| {
        &parameter.region == region
            && if input.shared { parameter.shared_with.contains(account) } else { &parameter.account == account }
    };
    // Names are an index; other filters apply to what a page holds.
    let (names, others): (Vec<_>, Vec<_>) = input.parameter_filters.iter().cloned().partition(Filter::is_on_names);
    let candidates = world.parameters.values().filter(visible).filter(|parameter| passes(parameter, &names));
    let page = Page::cut(candidates, &input, 50)?;
    let passing = page.items.iter().filter(|parameter| passes(parameter, &others));
    let entry = |parameter: &&Parameter| {
        let mut metadata = parameter.latest().metadata(&parameter.name);
        metadata["ARN"] = json!(parameter.arn);
        metadata
    };
    Ok(reply("Parameters", passing.map(entry).collect(), page.next))
}

/// Values below a path. Only the path itself is authorised, not what lies below it.
pub(super) fn get_parameters_by_path(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    check(&input.parameter_filters)?;
    let (region, account) = (&context.region, &context.caller.account);
    if !input.path.starts_with('/') {
        let message = "The parameter path must begin with a slash and hold only letters, numbers and .-_/";
        return Err(AwsError::validation(message));
    }
    let base = input.path.trim_end_matches('/');
    world.authorize(context, "ssm:GetParametersByPath", &arn::parameter(region, account, base))?;
    let below = |parameter: &&Parameter| {
        (&parameter.region, &parameter.account) == (region, account) && is_below(parameter, base, input.recursive)
    };
    let Page { items, next } = Page::cut(world.parameters.values().filter(below), &input, 10)?;
    let label = input.parameter_filters.iter().find(|filter| filter.key == "Label");
    let label = label.and_then(|filter| filter.values.first()).map(String::as_str);
    let passing = items.iter().filter(|parameter| passes(parameter, &input.parameter_filters));
    let selected = passing.filter_map(|parameter| {
        let version = parameter.select(label)?.clone();
        Some((parameter.name.clone(), parameter.arn.clone(), version))
    });
    let mut parameters = Vec::new();
    for (name, arn, version) in selected.collect::<Vec<_>>() {
        let shown = Shown { name: &name, arn: &arn, selector: None, version: &version };
        parameters.push(shown.render(world, context, input.with_decryption)?);
    }
    Ok(reply("Parameters", parameters, next))
}

/// Whether a parameter lies under a path without trailing slash: anywhere, or directly.
fn is_below(parameter: &Parameter, base: &str, recursive: bool) -> bool {
    let absolute = format!("/{}", parameter.name.trim_start_matches('/'));
    let rest = absolute.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| recursive || !rest.contains('/'))
}

/// All versions of one parameter, oldest first.
pub(super) fn get_parameter_history(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Input = parse_input(input)?;
    let arn = arn::parameter(&context.region, &context.caller.account, input.name.trim());
    world.authorize(context, "ssm:GetParameterHistory", &arn)?;
    let parameter = world.parameters.get(&arn).ok_or_else(|| AwsError::new("ParameterNotFound", ""))?;
    let name = parameter.name.clone();
    let page = Page::cut(parameter.versions.iter().cloned(), &input, 50)?;
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
