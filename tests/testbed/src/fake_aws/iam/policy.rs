//! Statements of policies, and the documents that contain them.

use std::fmt;

use serde_json::{Map, Value};

use super::condition::Condition;
use super::keys::Keys;
use super::pattern::{Pattern, matches};

/// What an element lists, or everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Only(Vec<String>),
    AllBut(Vec<String>),
}

/// One statement of a policy. Actions and resources have the wildcards `*` and `?`; resources and values of conditions
/// also have policy variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub(super) allow: bool,
    actions: Scope,
    resources: Scope,
    conditions: Vec<Condition>,
}

impl Statement {
    /// Allows the actions on the resources.
    pub fn allow(actions: &[&str], resources: &[&str]) -> Self {
        let [actions, resources] = [actions, resources].map(owned).map(Scope::Only);
        Self { allow: true, actions, resources, conditions: Vec::new() }
    }

    /// Denies the actions on the resources.
    pub fn deny(actions: &[&str], resources: &[&str]) -> Self {
        Self { allow: false, ..Self::allow(actions, resources) }
    }

    /// Adds a condition, such as `when("StringLike", "kms:ViaService", &["ssm.*.amazonaws.com"])`. Panics if the operator
    /// is unknown.
    #[must_use]
    pub fn when(mut self, operator: &str, key: &str, values: &[&str]) -> Self {
        self.conditions.push(Condition::new(operator, key, owned(values)).expect("a known condition operator"));
        self
    }

    /// Reports whether the statement applies to an action on a resource. It does not if a variable has no value.
    pub(super) fn covers(&self, action: &str, resource: &str, keys: &Keys) -> bool {
        let names_action = |glob: &String| Some(matches(&glob.to_lowercase(), &action.to_lowercase()));
        let names_resource = |text: &String| Some(Pattern::expand(text, keys)?.matches(resource));
        self.actions.contains(names_action)
            && self.resources.contains(names_resource)
            && self.conditions.iter().all(|condition| condition.is_met(keys))
    }
}

impl Scope {
    /// `listed` returns `None` for an entry without a meaning.
    fn contains(&self, listed: impl Fn(&String) -> Option<bool>) -> bool {
        match self {
            Self::Only(entries) => entries.iter().any(|entry| listed(entry) == Some(true)),
            Self::AllBut(entries) => entries.iter().all(|entry| listed(entry) == Some(false)),
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// A policy document that AWS refuses (`MalformedPolicyDocument`), with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedPolicy(pub String);

impl fmt::Display for MalformedPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for MalformedPolicy {}

type Parsed<T> = Result<T, MalformedPolicy>;

fn refuse<T>(message: impl Into<String>) -> Parsed<T> {
    Err(MalformedPolicy(message.into()))
}

/// Parses an identity policy or a session policy.
///
/// It is stricter than AWS in one point: AWS takes a document without `Version` as one of 2008, which has no variables.
pub fn parse_policy(document: &str) -> Parsed<Vec<Statement>> {
    let Ok(Value::Object(policy)) = serde_json::from_str(document) else {
        return refuse("Syntax errors in policy.");
    };
    known(&policy, &["Version", "Id", "Statement"])?;
    if policy.get("Version").and_then(Value::as_str) != Some("2012-10-17") {
        return refuse("The policy must contain a valid version string.");
    }
    match policy.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().map(statement).collect(),
        Some(single @ Value::Object(_)) => Ok(vec![statement(single)?]),
        _ => refuse("Missing required field Statement"),
    }
}

fn known(object: &Map<String, Value>, names: &[&str]) -> Parsed<()> {
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => refuse(format!("Syntax errors in policy: unknown element {name}.")),
        None => Ok(()),
    }
}

fn statement(value: &Value) -> Parsed<Statement> {
    let Value::Object(fields) = value else {
        return refuse("Syntax errors in policy.");
    };
    known(fields, &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"])?;
    check_sid(fields.get("Sid"))?;
    let allow = match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return refuse("Missing required field Effect"),
    };
    let actions = scope(fields, ["Action", "NotAction"], "Policy statement must contain actions.")?;
    let resources = scope(fields, ["Resource", "NotResource"], "Policy statement must contain resources.")?;
    check_entries(&actions, is_action, |_| {
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned()
    })?;
    check_entries(&resources, is_resource, |entry| format!("Resource {entry} must be in ARN format or \"*\"."))?;
    Ok(Statement { allow, actions, resources, conditions: conditions(fields.get("Condition"))? })
}

fn check_sid(sid: Option<&Value>) -> Parsed<()> {
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    if sid.is_none_or(|sid| sid.as_str().is_some_and(plain)) {
        return Ok(());
    }
    refuse(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
    )
}

/// An element or its negation. One of them must be present, and not both.
fn scope(fields: &Map<String, Value>, [only, not]: [&str; 2], missing: &str) -> Parsed<Scope> {
    let (value, scope): (_, fn(Vec<String>) -> Scope) = match (fields.get(only), fields.get(not)) {
        (Some(value), None) => (value, Scope::Only),
        (None, Some(value)) => (value, Scope::AllBut),
        _ => return refuse(missing),
    };
    let entries = texts(value)?;
    if entries.is_empty() { refuse(missing) } else { Ok(scope(entries)) }
}

fn check_entries(scope: &Scope, is_good: fn(&str) -> bool, complaint: impl Fn(&str) -> String) -> Parsed<()> {
    let (Scope::Only(entries) | Scope::AllBut(entries)) = scope;
    entries.iter().find(|entry| !is_good(entry)).map_or(Ok(()), |entry| refuse(complaint(entry)))
}

fn is_action(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "*?-".contains(c);
    text == "*"
        || text.split_once(':').is_some_and(|(vendor, name)| {
            !name.is_empty() && [vendor, name].iter().all(|part| part.chars().all(plain)) && !vendor.is_empty()
        })
}

fn is_resource(text: &str) -> bool {
    text == "*" || text.starts_with("arn:")
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Parsed<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        _ => refuse("Syntax errors in policy."),
    };
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        single => Ok(vec![one(single)?]),
    }
}

fn conditions(value: Option<&Value>) -> Parsed<Vec<Condition>> {
    let operators = match value {
        None => return Ok(Vec::new()),
        Some(Value::Object(operators)) => operators,
        Some(_) => return refuse("Syntax errors in policy."),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return refuse("Syntax errors in policy.");
        };
        for (key, values) in keys {
            if !key.contains(':') {
                return refuse("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
            }
            // The values of `Bool` and `Null` may be without quotes.
            let values = if let Value::Bool(flag) = values { vec![flag.to_string()] } else { texts(values)? };
            match Condition::new(operator, key, values) {
                Some(condition) => conditions.push(condition),
                None => return refuse(format!("Invalid Condition type : {operator}.")),
            }
        }
    }
    Ok(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_statements() {
        let document = r#"{"Version":"2012-10-17","Id":"x","Statement":[
            {"Sid":"Read","Effect":"Allow","Action":"ssm:GetParameters","Resource":["arn:a","arn:b"],
             "Condition":{"StringLike":{"kms:ViaService":["ssm.*"]},"Bool":{"aws:SecureTransport":true}}},
            {"Effect":"Deny","Action":["kms:*"],"Resource":"*"}]}"#;
        let expected = vec![
            Statement::allow(&["ssm:GetParameters"], &["arn:a", "arn:b"])
                .when("Bool", "aws:SecureTransport", &["true"])
                .when("StringLike", "kms:ViaService", &["ssm.*"]),
            Statement::deny(&["kms:*"], &["*"]),
        ];
        assert_eq!(parse_policy(document), Ok(expected));
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        let good = r#""Effect":"Allow","Action":"ssm:*","Resource":"*""#;
        for (statement, complaint) in [
            (r#""Action":"ssm:*","Resource":"*""#, "field Effect"),
            (r#""Effect":"allow","Action":"ssm:*","Resource":"*""#, "field Effect"),
            (r#""Effect":"Allow","Resource":"*""#, "must contain actions"),
            (r#""Effect":"Allow","Action":[],"Resource":"*""#, "must contain actions"),
            (r#""Effect":"Allow","Action":"ssm:*""#, "must contain resources"),
            (r#""Effect":"Allow","Action":"GetParameters","Resource":"*""#, "prefaced by a vendor"),
            (r#""Effect":"Allow","Action":"ssm:*","Resource":"/team/*""#, "ARN format"),
            (r#""Effect":"Allow","Action":"ssm:*","NotAction":"ssm:*","Resource":"*""#, "must contain actions"),
            (&format!("{good},\"Sid\":\"a-b\""), "SID"),
            (&format!("{good},\"Principal\":\"*\""), "unknown element Principal"),
            (&format!("{good},\"Conditions\":{{}}"), "unknown element Conditions"),
            (&format!("{good},\"Condition\":{{\"StringEqual\":{{\"aws:a\":\"b\"}}}}"), "StringEqual."),
            (&format!("{good},\"Condition\":{{\"StringEquals\":{{\"a\":\"b\"}}}}"), "prefaced by a vendor"),
            (&format!("{good},\"Condition\":[]"), "Syntax errors"),
        ] {
            let document = format!("{{\"Version\":\"2012-10-17\",\"Statement\":{{{statement}}}}}");
            let error = parse_policy(&document).expect_err(&document);
            assert!(error.0.contains(complaint), "{error} for {statement}");
        }
        for document in ["", "[]", "{}", "{\"Statement\":[]}", &format!("{{\"Statement\":[{{{good}}}]}}")] {
            assert!(parse_policy(document).is_err(), "{document}");
        }
        let extra = format!("{{\"Version\":\"2012-10-17\",\"Statements\":[],\"Statement\":[{{{good}}}]}}");
        assert!(parse_policy(&extra).is_err());
    }

    #[test]
    fn negated_elements_cover_everything_else() {
        let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"kms:*",
            "NotResource":"arn:aws:ssm:*:*:parameter/${aws:PrincipalTag/team}/*"}}"#;
        let statement = parse_policy(document).expect("valid").remove(0);
        let tagged = Keys::default().with("aws:PrincipalTag/team", "a");
        let parameter = |path: &str| format!("arn:aws:ssm:eu-central-1:1:parameter/{path}");
        assert!(statement.covers("ssm:GetParameters", &parameter("b/x"), &tagged));
        assert!(!statement.covers("ssm:GetParameters", &parameter("a/x"), &tagged));
        assert!(!statement.covers("KMS:Decrypt", &parameter("b/x"), &tagged));
        assert!(!statement.covers("ssm:GetParameters", &parameter("b/x"), &Keys::default()), "without the tag");
    }
}
