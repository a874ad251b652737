//! `PutParameter`, `DeleteParameter` and `DeleteParameters`.

use std::collections::{BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::{Value, json};

use super::encryption;
use super::names;
use super::parameter::{Parameter, ParameterType, Stored, Tier, Version};
use crate::fake_aws::arn;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::kms::SSM_ALIAS;
use crate::fake_aws::service::{Reply, parse_input};
use crate::fake_aws::world::{Context, World};

const STANDARD_BYTES: usize = 4096;
const ADVANCED_BYTES: usize = 8192;
const DATA_TYPES: [&str; 14] = [
    "text",
    "aws:ec2:image",
    "aws:ssm:integration",
    "boolean",
    "integer",
    "float",
    "binary",
    "hostname",
    "email",
    "ipv4-address",
    "ipv6-address",
    "url",
    "json",
    "jsonc",
];

/// Input of `PutParameter`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::fake_aws) struct Put {
    pub name: String,
    pub value: String,
    pub r#type: Option<ParameterType>,
    pub key_id: Option<String>,
    pub overwrite: bool,
    pub tier: Option<Tier>,
    pub description: Option<String>,
    pub allowed_pattern: Option<String>,
    pub data_type: Option<String>,
    pub policies: Option<String>,
    pub tags: Vec<Value>,
}

/// Creates a parameter or adds a version.
pub(super) fn put_parameter(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Put = parse_input(input)?;
    let (version, tier) = put(world, context, input)?;
    let elements = json!({"version": version, "tier": tier});
    Ok(Reply::json(json!({"Version": version, "Tier": tier})).with_elements(elements))
}

/// Writes a version. Returns its number and tier.
pub(in crate::fake_aws) fn put(world: &mut World, context: &Context, input: Put) -> Outcome<(i64, Tier)> {
    let name = input.name.trim().to_owned();
    names::check_new(context, &name)?;
    let arn = arn::parameter(&context.region, &context.caller.account, &name);
    world.authorize(context, "ssm:PutParameter", &arn)?;
    let before = world.parameters.get(&arn).map(Parameter::latest);
    check_overwrite(&input, before)?;
    let tier = choose_tier(&input, before)?;
    let number = before.map_or(1, |version| version.number + 1);
    let version = compose(world, context, input, &arn, tier, number)?;
    if let Some(parameter) = world.parameters.get_mut(&arn) {
        parameter.push(version)?;
    } else {
        let parameter = Parameter {
            name,
            arn,
            account: context.caller.account.clone(),
            region: context.region.clone(),
            versions: VecDeque::from([version]),
            shared_with: BTreeSet::new(),
        };
        world.parameters.insert(parameter);
    }
    Ok((number, tier))
}

fn check_overwrite(input: &Put, before: Option<&Version>) -> Outcome<()> {
    if input.value.is_empty() {
        return Err(AwsError::constraint("", "value", "Member must have length greater than or equal to 1"));
    }
    if input.value.contains("{{") && input.value.contains("}}") {
        let message = "Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.";
        return Err(AwsError::validation(message));
    }
    if let Some(unknown) = input.data_type.as_deref().filter(|kind| !DATA_TYPES.contains(kind)) {
        return Err(AwsError::validation(format!("The following data type is not supported: {unknown}")));
    }
    let Some(before) = before else {
        let missing = "A parameter type is required when you create a parameter.";
        return if input.r#type.is_none() { Err(AwsError::validation(missing)) } else { Ok(()) };
    };
    if !input.overwrite {
        let message = "The parameter already exists. To overwrite this value, set the overwrite option in the \
                       request to true.";
        return Err(AwsError::new("ParameterAlreadyExists", message));
    }
    if !input.tags.is_empty() {
        let message = "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, \
                       please remove overwrite flag. To update tags for an existing parameter, please use \
                       AddTagsToResource or RemoveTagsFromResource.";
        return Err(AwsError::validation(message));
    }
    if input.r#type.is_some_and(|kind| kind != before.kind) {
        let message = "Parameter Store doesn't support changing a parameter type in a hierarchy.";
        return Err(AwsError::new("HierarchyTypeMismatchException", message));
    }
    Ok(())
}

fn choose_tier(input: &Put, before: Option<&Version>) -> Outcome<Tier> {
    let advanced_before = before.is_some_and(|version| version.tier == Tier::Advanced);
    let large = input.value.len() > STANDARD_BYTES;
    let tier = match input.tier {
        Some(Tier::Standard) if advanced_before => {
            let message = "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                           advanced-parameter tier to the standard-parameter tier.";
            return Err(AwsError::validation(message));
        }
        Some(Tier::IntelligentTiering) if large || advanced_before || input.policies.is_some() => Tier::Advanced,
        Some(Tier::Advanced) => Tier::Advanced,
        None if advanced_before => Tier::Advanced,
        _ => Tier::Standard,
    };
    let (limit, words) = match tier {
        Tier::Advanced => (ADVANCED_BYTES, "Advanced tier parameters support a maximum parameter value of 8192"),
        _ => (STANDARD_BYTES, "Standard tier parameters support a maximum parameter value of 4096"),
    };
    if input.value.len() > limit {
        return Err(AwsError::validation(format!("{words} characters.")));
    }
    if tier == Tier::Standard && input.policies.as_deref().is_some_and(|text| !matches!(text, "" | "{}" | "[]")) {
        let message = "Parameter policies are only supported by the advanced-parameter tier.";
        return Err(AwsError::validation(message));
    }
    Ok(tier)
}

fn compose(world: &mut World, context: &Context, input: Put, arn: &str, tier: Tier, number: i64) -> Outcome<Version> {
    let before = world.parameters.get(arn).map(Parameter::latest);
    let kind = input.r#type.or(before.map(|version| version.kind)).unwrap_or_default();
    let policies = match &input.policies {
        Some(text) => parse_policies(text)?,
        None => before.map(|version| version.policies.clone()).unwrap_or_default(),
    };
    let description = input.description.or_else(|| before.and_then(|version| version.description.clone()));
    let secure = kind == ParameterType::SecureString;
    // The key is not inherited from the previous version. Without one, the default key is used.
    let key_id = secure.then(|| input.key_id.unwrap_or_else(|| SSM_ALIAS.to_owned()));
    let value = match &key_id {
        Some(key_id) => Stored::Sealed(encryption::seal(world, context, arn, key_id, tier, &input.value)?),
        None => Stored::Plain(input.value),
    };
    Ok(Version {
        number,
        kind,
        value,
        key_id,
        modified_ms: context.now_ms,
        modified_by: context.caller.arn.clone(),
        labels: Vec::new(),
        description,
        allowed_pattern: input.allowed_pattern,
        tier,
        data_type: input.data_type.unwrap_or_else(|| "text".to_owned()),
        policies,
    })
}

fn parse_policies(text: &str) -> Outcome<Vec<Value>> {
    let invalid = || AwsError::new("InvalidPolicyTypeException", "The policies are not a list of policy documents.");
    let documents: Vec<Value> = if text.is_empty() {
        Vec::new()
    } else {
        serde_json::from_str::<Value>(text).ok().and_then(|value| value.as_array().cloned()).ok_or_else(invalid)?
    };
    let entry = |document: &Value| {
        let kind = &document["Type"];
        json!({"PolicyText": document.to_string(), "PolicyType": kind, "PolicyStatus": "Pending"})
    };
    Ok(documents.iter().map(entry).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Names {
    name: String,
    names: Vec<String>,
}

/// `DeleteParameter`. The name must exist.
pub(super) fn delete_parameter(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Names = parse_input(input)?;
    let arn = arn::parameter(&context.region, &context.caller.account, input.name.trim());
    world.authorize(context, "ssm:DeleteParameter", &arn)?;
    world.parameters.remove(&arn).ok_or_else(|| AwsError::new("ParameterNotFound", ""))?;
    Ok(Reply::json(json!({})))
}

/// `DeleteParameters`, with up to ten names. Missing names are listed.
pub(super) fn delete_parameters(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Names = parse_input(input)?;
    if input.names.len() > 10 {
        let list = format!("[{}]", input.names.join(", "));
        return Err(AwsError::constraint(&list, "names", "Member must have length less than or equal to 10"));
    }
    let arns: Vec<_> =
        input.names.iter().map(|name| arn::parameter(&context.region, &context.caller.account, name.trim())).collect();
    for arn in &arns {
        world.authorize(context, "ssm:DeleteParameters", arn)?;
    }
    let (mut deleted, mut invalid) = (Vec::new(), Vec::new());
    for (name, arn) in input.names.iter().zip(&arns) {
        if world.parameters.remove(arn).is_some() {
            deleted.push(name);
        } else {
            invalid.push(name);
        }
    }
    Ok(Reply::json(json!({"DeletedParameters": deleted, "InvalidParameters": invalid})))
}
