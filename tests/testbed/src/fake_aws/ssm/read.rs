//! `GetParameter` and `GetParameters`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::encryption;
use super::names::ParsedName;
use super::parameter::{Parameter, Stored, Version};
use super::reference;
use crate::fake_aws::clock;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::service::{Reply, parse_input};
use crate::fake_aws::world::{Context, World};

const NAMES_LIMIT: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    names: Vec<String>,
    #[serde(default)]
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Single {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

/// The target of a name.
enum Found {
    /// A version of a parameter, not decrypted yet.
    Kept { name: String, arn: String, version: Box<Version> },
    /// A secret, in the form of the API.
    Referenced(Value),
}

/// `GetParameters`. Missing parameters are listed; any other error fails the whole call.
pub(super) fn get_parameters(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Batch = parse_input(input)?;
    let names = understand(context, &input.names)?;
    reference::check(&names, input.with_decryption)?;
    for one in &names {
        authorize(world, context, "ssm:GetParameters", one)?;
    }
    let mut found = Vec::new();
    let mut invalid = Vec::new();
    for one in &names {
        match find(world, context, one) {
            Ok(what) => found.push((what, one.selector.as_deref())),
            Err(error) if is_miss(&error) => invalid.push(&one.text),
            Err(error) => return Err(error),
        }
    }
    found.sort_by(|(a, selector), (b, other)| (a.name(), selector).cmp(&(b.name(), other)));
    let mut parameters = Vec::new();
    for (what, selector) in found {
        parameters.push(what.render(world, context, selector, input.with_decryption)?);
    }
    Ok(Reply::json(json!({"Parameters": parameters, "InvalidParameters": invalid})))
}

fn understand(context: &Context, names: &[String]) -> Outcome<Vec<ParsedName>> {
    let list = || format!("[{}]", names.join(", "));
    if names.is_empty() {
        let constraint = "Member must have length greater than or equal to 1";
        return Err(AwsError::constraint(&list(), "names", constraint));
    }
    if names.len() > NAMES_LIMIT {
        let constraint = "Member must have length less than or equal to 10";
        return Err(AwsError::constraint(&list(), "names", constraint));
    }
    let names: Vec<ParsedName> = names.iter().map(|name| ParsedName::parse(context, name)).collect::<Outcome<_>>()?;
    for (at, one) in names.iter().enumerate() {
        if names[..at].iter().any(|other| (&other.arn, &other.selector) == (&one.arn, &one.selector)) {
            return Err(AwsError::validation("Duplicate parameter names are not allowed in one request."));
        }
    }
    Ok(names)
}

/// `GetParameter`, with an error that says what is missing.
pub(super) fn get_parameter(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let input: Single = parse_input(input)?;
    let one = ParsedName::parse(context, &input.name)?;
    reference::check(std::slice::from_ref(&one), input.with_decryption)?;
    authorize(world, context, "ssm:GetParameter", &one)?;
    let found = find(world, context, &one)?;
    let parameter = found.render(world, context, one.selector.as_deref(), input.with_decryption)?;
    Ok(Reply::json(json!({"Parameter": parameter})))
}

/// Checks the permission of the identity, and that a parameter of another account is shared.
fn authorize(world: &World, context: &Context, action: &str, one: &ParsedName) -> Outcome<()> {
    world.authorize(context, action, &one.arn)?;
    let caller = &context.caller;
    let shared = |parameter: &Parameter| parameter.shared_with.contains(&caller.account);
    if one.account == caller.account || world.parameters.get(&one.arn).is_some_and(shared) {
        return Ok(());
    }
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {} because no resource-based policy allows the \
         {action} action",
        caller.arn, one.arn
    );
    Err(AwsError::new("AccessDeniedException", message))
}

fn find(world: &mut World, context: &Context, one: &ParsedName) -> Outcome<Found> {
    if let Some(id) = &one.secret {
        return reference::read(world, context, one, id).map(Found::Referenced);
    }
    let here = one.region == context.region;
    let parameter = world.parameters.get(&one.arn).filter(|_| here);
    let parameter = parameter.ok_or_else(|| AwsError::new("ParameterNotFound", ""))?;
    let version = parameter.select(one.selector.as_deref()).ok_or_else(|| {
        let (selector, name) = (one.selector.as_deref().unwrap_or_default(), &one.text);
        let message =
            format!("Systems Manager could not find version {selector} of {name}. Verify the version and try again.");
        AwsError::new("ParameterVersionNotFound", message)
    })?;
    let version = Box::new(version.clone());
    Ok(Found::Kept { name: parameter.name.clone(), arn: parameter.arn.clone(), version })
}

/// Reports whether the error means that the name does not exist.
fn is_miss(error: &AwsError) -> bool {
    matches!(&*error.code, "ParameterNotFound" | "ParameterVersionNotFound")
}

impl Found {
    fn name(&self) -> &str {
        match self {
            Self::Kept { name, .. } => name,
            Self::Referenced(parameter) => parameter["Name"].as_str().unwrap_or_default(),
        }
    }

    /// `Parameter` of the API.
    fn render(self, world: &mut World, context: &Context, selector: Option<&str>, decrypt: bool) -> Outcome<Value> {
        match self {
            Self::Kept { name, arn, version } => {
                Shown { name: &name, arn: &arn, selector, version: &version }.render(world, context, decrypt)
            }
            Self::Referenced(parameter) => Ok(parameter),
        }
    }
}

/// A version, for the response.
pub(super) struct Shown<'a> {
    pub name: &'a str,
    pub arn: &'a str,
    pub selector: Option<&'a str>,
    pub version: &'a Version,
}

impl Shown<'_> {
    /// The value, decrypted or as ciphertext.
    pub(super) fn value(&self, world: &mut World, context: &Context, decrypt: bool) -> Outcome<String> {
        match &self.version.value {
            Stored::Plain(text) => Ok(text.clone()),
            Stored::Sealed(bytes) if decrypt => encryption::open(world, context, self.arn, bytes),
            Stored::Sealed(bytes) => Ok(BASE64.encode(bytes)),
        }
    }

    /// `Parameter` of the API.
    pub(super) fn render(&self, world: &mut World, context: &Context, decrypt: bool) -> Outcome<Value> {
        let mut parameter = json!({
            "Name": self.name,
            "Type": self.version.kind.name(),
            "Value": self.value(world, context, decrypt)?,
            "Version": self.version.number,
            "LastModifiedDate": clock::json(self.version.modified_ms),
            "ARN": self.arn,
            "DataType": self.version.data_type,
        });
        if let Some(selector) = self.selector {
            parameter["Selector"] = json!(format!(":{selector}"));
        }
        Ok(parameter)
    }
}
