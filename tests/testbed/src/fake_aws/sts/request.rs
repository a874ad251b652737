//! Input of the operations that start sessions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::iam::{Keys, Statement, parse_policy};

const SHORTEST_SECONDS: i64 = 900;
const LONGEST_SECONDS: i64 = 43_200;
const DEFAULT_SECONDS: i64 = 3600;
const POLICY_LIMIT: usize = 2048;
const TAGS_LIMIT: usize = 50;
const KEY_LIMIT: usize = 128;
const VALUE_LIMIT: usize = 256;

/// Input that the operations have in common.
pub(super) struct Request<'a> {
    /// `RoleArn`
    pub role: &'a str,
    /// `RoleSessionName`
    pub session_name: &'a str,
    /// `DurationSeconds`
    pub seconds: i64,
    /// `Policy`, the session policy.
    pub policy: Option<Vec<Statement>>,
    /// `SourceIdentity`
    pub source_identity: Option<String>,
    /// `ExternalId`
    pub external_id: Option<&'a str>,
    /// `Tags`
    pub tags: BTreeMap<String, String>,
    /// `TransitiveTagKeys`
    pub transitive: BTreeSet<String>,
    /// Characters of the session policy and the tags.
    pub size: usize,
}

impl<'a> Request<'a> {
    /// Parses and checks the input.
    pub(super) fn parse(input: &'a Value) -> Outcome<Self> {
        let session_name = session_word(input, "RoleSessionName")?.unwrap_or_default();
        if session_name.is_empty() {
            return Err(constraint("null", "roleSessionName", "Member must not be null"));
        }
        let document = input["Policy"].as_str();
        let tags = tags(input)?;
        let size =
            document.map_or(0, str::len) + tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        Ok(Self {
            role: input["RoleArn"].as_str().unwrap_or_default(),
            session_name,
            seconds: duration(input)?,
            policy: document.map(session_policy).transpose()?,
            source_identity: session_word(input, "SourceIdentity")?.map(str::to_owned),
            external_id: external_id(input)?,
            transitive: transitive(input, &tags)?,
            tags,
            size,
        })
    }

    /// The condition keys of the call.
    pub(super) fn keys(&self) -> Keys {
        let mut keys = Keys::default()
            .with("sts:RoleSessionName", self.session_name)
            .with_some("sts:ExternalId", self.external_id)
            .with_some("sts:SourceIdentity", self.source_identity.as_deref())
            .with_all("sts:TransitiveTagKeys", self.transitive.iter().map(String::as_str))
            .with_all("aws:TagKeys", self.tags.keys().map(String::as_str));
        for (key, value) in &self.tags {
            keys = keys.with(&format!("aws:RequestTag/{key}"), value);
        }
        keys
    }
}

/// The members of a list of the query protocol, in order. `<name>.member.1.Key` has the field `Key`; a list of texts has no
/// fields.
pub(super) fn members<'a>(input: &'a Value, name: &str, field: &str) -> Vec<&'a str> {
    let nth = |n: usize| {
        let dot = if field.is_empty() { "" } else { "." };
        input[format!("{name}.member.{n}{dot}{field}")].as_str()
    };
    (1..).map_while(nth).collect()
}

/// `Tags` and `TransitiveTagKeys` as records show them, instead of the fields of the query protocol.
pub(super) fn recorded_tags(input: &Value, request: &mut Map<String, Value>) {
    // A client may also send an empty list, as a field without a value.
    let list = |name: &str| ["tags", "transitiveTagKeys"].contains(&name.split('.').next().unwrap_or_default());
    request.retain(|name, _| !list(name));
    let pairs = members(input, "Tags", "Key").into_iter().zip(members(input, "Tags", "Value"));
    let tags: Vec<Value> = pairs.map(|(key, value)| serde_json::json!({"key": key, "value": value})).collect();
    if !tags.is_empty() {
        request.insert("tags".to_owned(), tags.into());
    }
    let transitive = members(input, "TransitiveTagKeys", "");
    if !transitive.is_empty() {
        request.insert("transitiveTagKeys".to_owned(), transitive.into());
    }
}

fn tags(input: &Value) -> Outcome<BTreeMap<String, String>> {
    let (keys, values) = (members(input, "Tags", "Key"), members(input, "Tags", "Value"));
    if keys.len() != values.len() {
        return Err(constraint("null", "tags", "Member must not be null"));
    }
    if keys.len() > TAGS_LIMIT {
        return Err(constraint(&keys.join(", "), "tags", "Member must have length less than or equal to 50"));
    }
    for (n, (key, value)) in keys.iter().zip(&values).enumerate() {
        check_tag(key, &format!("tags.{}.member.key", n + 1), 1, KEY_LIMIT)?;
        check_tag(value, &format!("tags.{}.member.value", n + 1), 0, VALUE_LIMIT)?;
    }
    let distinct: BTreeSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
    if distinct.len() < keys.len() {
        let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
        return Err(AwsError::new("InvalidParameterValue", message));
    }
    Ok(keys.into_iter().zip(values).map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// Letters, digits, spaces and `_.:/=+-@` (STS API Reference, Tag).
fn check_tag(text: &str, field: &str, shortest: usize, longest: usize) -> Outcome<()> {
    let good = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    let length = text.chars().count();
    if length < shortest {
        return Err(constraint(text, field, &format!("Member must have length greater than or equal to {shortest}")));
    }
    if length > longest {
        return Err(constraint(text, field, &format!("Member must have length less than or equal to {longest}")));
    }
    if text.chars().all(good) {
        return Ok(());
    }
    let pattern = "[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+";
    Err(constraint(text, field, &format!("Member must satisfy regular expression pattern: {pattern}")))
}

fn transitive(input: &Value, tags: &BTreeMap<String, String>) -> Outcome<BTreeSet<String>> {
    let keys: BTreeSet<String> = members(input, "TransitiveTagKeys", "").into_iter().map(str::to_owned).collect();
    if keys.iter().all(|key| tags.contains_key(key)) {
        return Ok(keys);
    }
    let message = "The specified transitive tag key must be included in the requested tags.";
    Err(AwsError::new("InvalidParameterValue", message))
}

fn duration(input: &Value) -> Outcome<i64> {
    let Some(text) = input["DurationSeconds"].as_str() else {
        return Ok(DEFAULT_SECONDS);
    };
    let seconds = text.parse().unwrap_or_default();
    let relation = match seconds {
        ..SHORTEST_SECONDS => "greater than or equal to 900",
        SHORTEST_SECONDS..=LONGEST_SECONDS => return Ok(seconds),
        _ => "less than or equal to 43200",
    };
    Err(constraint(text, "durationSeconds", &format!("Member must have value {relation}")))
}

fn session_policy(document: &str) -> Outcome<Vec<Statement>> {
    if document.is_empty() {
        return Err(constraint(document, "policy", "Member must have length greater than or equal to 1"));
    }
    if document.chars().count() > POLICY_LIMIT {
        return Err(constraint(document, "policy", "Member must have length less than or equal to 2048"));
    }
    parse_policy(document).map_err(|error| AwsError::new("MalformedPolicyDocument", error.0))
}

/// 2 to 1,224 of `[\w+=,.@:/-]`.
fn external_id(input: &Value) -> Outcome<Option<&str>> {
    word(input, "ExternalId", 1224, "_+=,.@:/-", "[\\w+=,.@:\\/-]*")
}

/// A field with the character set of session names: 2 to 64 of `[\w+=,.@-]`.
fn session_word<'a>(input: &'a Value, field: &str) -> Outcome<Option<&'a str>> {
    word(input, field, 64, "_+=,.@-", "[\\w+=,.@-]*")
}

fn word<'a>(input: &'a Value, field: &str, longest: usize, more: &str, pattern: &str) -> Outcome<Option<&'a str>> {
    let Some(text) = input[field].as_str() else {
        return Ok(None);
    };
    let name = field[..1].to_ascii_lowercase() + &field[1..];
    let problem = match text.len() {
        0..2 => "have length greater than or equal to 2".to_owned(),
        length if length > longest => format!("have length less than or equal to {longest}"),
        _ if text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c)) => return Ok(Some(text)),
        _ => format!("satisfy regular expression pattern: {pattern}"),
    };
    Err(constraint(text, &name, &format!("Member must {problem}")))
}

/// The query protocol says `ValidationError` where JSON services say `ValidationException`.
fn constraint(value: &str, field: &str, constraint: &str) -> AwsError {
    AwsError::new("ValidationError", AwsError::constraint(value, field, constraint).message)
}
