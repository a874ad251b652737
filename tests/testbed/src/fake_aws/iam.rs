//! Permissions: everything is allowed, except what a rule of the test or a policy of the identity denies.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{AwsError, Outcome};
use super::identity::Identity;

/// Id of a denial, for `undeny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

/// One statement of a policy. Actions and resources are globs with `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
}

impl Statement {
    /// Allows the actions on the resources.
    pub fn allow(actions: &[&str], resources: &[&str]) -> Self {
        Self { allow: true, actions: owned(actions), resources: owned(resources) }
    }

    /// Denies the actions on the resources.
    pub fn deny(actions: &[&str], resources: &[&str]) -> Self {
        Self { allow: false, ..Self::allow(actions, resources) }
    }

    fn covers(&self, action: &str, resource: &str) -> bool {
        self.actions.iter().any(|glob| matches(glob, action))
            && self.resources.iter().any(|glob| matches(glob, resource))
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Parses the statements of a policy document. Conditions are ignored.
pub(super) fn parse_policy(document: &str) -> Option<Vec<Statement>> {
    let policy: Value = serde_json::from_str(document).ok()?;
    let one_or_many = |value: &Value| match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::String(text) => Some(vec![text.clone()]),
        _ => None,
    };
    let statement = |value: &Value| {
        Some(Statement {
            allow: value["Effect"].as_str()? == "Allow",
            actions: one_or_many(&value["Action"])?,
            resources: one_or_many(&value["Resource"])?,
        })
    };
    match &policy["Statement"] {
        Value::Array(items) => items.iter().map(statement).collect(),
        single => Some(vec![statement(single)?]),
    }
}

/// Reports whether a glob matches the text. `*` matches any characters and `?` any one.
pub(super) fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&b) if b == b'?' || b == text[t] => {
                g += 1;
                t += 1;
            }
            // Mismatch: extend the match of the last star by one byte and try again.
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    g = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|&b| b == b'*')
}

struct Denial {
    principal: String,
    action: String,
    resource: String,
}

/// Denials of the test, in addition to the policies of identities.
#[derive(Default)]
pub(super) struct Rules {
    next: u64,
    denials: BTreeMap<RuleId, Denial>,
}

impl Rules {
    /// Denies the action on the resource to principals whose ARN matches; all three are globs.
    pub(super) fn deny(&mut self, principal: &str, action: &str, resource: &str) -> RuleId {
        self.next += 1;
        let id = RuleId(self.next);
        let [principal, action, resource] = [principal, action, resource].map(str::to_owned);
        self.denials.insert(id, Denial { principal, action, resource });
        id
    }

    /// Removes a denial.
    pub(super) fn undeny(&mut self, id: RuleId) {
        self.denials.remove(&id);
    }

    /// Allows the call, or returns the error of AWS. With `granted_elsewhere`, the resource's own policy allows the call, so
    /// that only an explicit denial refuses it.
    pub(super) fn authorize(
        &self,
        who: &Identity,
        action: &str,
        resource: &str,
        granted_elsewhere: bool,
    ) -> Outcome<()> {
        let because = |why: &str| {
            AwsError::new(
                "AccessDeniedException",
                format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", who.arn),
            )
        };
        let denied = |rule: &Denial| {
            matches(&rule.principal, &who.arn) && matches(&rule.action, action) && matches(&rule.resource, resource)
        };
        if self.denials.values().any(denied) {
            return Err(because(&format!("because no identity-based policy allows the {action} action")));
        }
        for (policy, kind) in [(who.policy(), "identity-based"), (who.session_policy(), "session")] {
            let Some(statements) = policy else { continue };
            let mut covering = statements.iter().filter(|statement| statement.covers(action, resource)).peekable();
            if covering.peek().is_none() && !granted_elsewhere {
                return Err(because(&format!("because no {kind} policy allows the {action} action")));
            }
            if covering.any(|statement| !statement.allow) {
                let article = if kind == "session" { "a" } else { "an" };
                return Err(because(&format!("with an explicit deny in {article} {kind} policy")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("ssm:Get*", "ssm:GetParameters", true),
            ("ssm:Get*", "ssm:PutParameter", false),
            ("*/team-?/*", "parameter/team-a/x", true),
            ("*/team-?/*", "parameter/team-ab/x", false),
            ("a*b*c", "aXbbYc", true),
            ("a*b", "abc", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn a_policy_document_becomes_statements() {
        let document = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Action":"ssm:GetParameters","Resource":["a","b"]},
            {"Effect":"Deny","Action":["kms:*"],"Resource":"*"}]}"#;
        let expected = vec![Statement::allow(&["ssm:GetParameters"], &["a", "b"]), Statement::deny(&["kms:*"], &["*"])];
        assert_eq!(parse_policy(document), Some(expected));
        assert_eq!(parse_policy("{}"), None);
    }
}
