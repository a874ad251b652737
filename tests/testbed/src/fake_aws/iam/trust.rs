//! Trust policies of roles, as whole documents.

use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::policy::{MalformedPolicy, Statement, parse_policy};
use crate::fake_aws::arn::Arn;
use crate::fake_aws::identity::Identity;

/// A trust policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy(Vec<(Principals, Statement)>);

/// The `Principal` of a statement: kind and value. The kind `*` is anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Principals(Vec<(String, String)>);

/// Who asks for a session.
#[derive(Clone, Copy)]
pub(in crate::fake_aws) enum Asker<'a> {
    /// A user or a session.
    Caller(&'a Identity),
    /// The bearer of a token of this issuer.
    Federated(&'a str),
    /// A service of AWS, such as `pods.eks.amazonaws.com`.
    Service(&'a str),
}

impl TrustPolicy {
    /// Parses a trust policy, whose statements have a `Principal` and no `Resource`.
    pub fn parse(document: &str) -> Result<Self, MalformedPolicy> {
        let syntax = || MalformedPolicy("Syntax errors in policy.".to_owned());
        let mut policy: Value = serde_json::from_str(document).map_err(|_| syntax())?;
        let statements = match policy.get_mut("Statement") {
            Some(Value::Array(statements)) => statements.iter_mut().collect(),
            Some(single) => vec![single],
            None => Vec::new(),
        };
        let mut principals = Vec::new();
        for statement in statements {
            let fields = statement.as_object_mut().ok_or_else(syntax)?;
            principals.push(Principals::take(fields)?);
            // For the trust policy of a role, the role itself is the resource.
            if fields.insert("Resource".to_owned(), json!("*")).is_some() || fields.contains_key("NotResource") {
                return Err(MalformedPolicy("Has prohibited field Resource".to_owned()));
            }
        }
        let statements = parse_policy(&policy.to_string())?;
        Ok(Self(principals.into_iter().zip(statements).collect()))
    }

    /// Reports whether the policy of this role lets somebody perform an action.
    pub(in crate::fake_aws) fn allows(&self, role: &str, asker: Asker<'_>, action: &str, keys: &Keys) -> bool {
        let applies = |(principals, statement): &&(Principals, Statement)| {
            principals.include(role, asker) && statement.covers(action, role, keys)
        };
        let mut covering = self.0.iter().filter(applies).peekable();
        covering.peek().is_some() && covering.all(|(_, statement)| statement.allow)
    }
}

impl Principals {
    /// Removes the principals from a statement.
    fn take(fields: &mut Map<String, Value>) -> Result<Self, MalformedPolicy> {
        let invalid = || MalformedPolicy("Invalid principal in policy".to_owned());
        let kinds = match fields.remove("Principal") {
            Some(Value::String(everybody)) if everybody == "*" => {
                return Ok(Self(vec![("*".to_owned(), everybody)]));
            }
            Some(Value::Object(kinds)) if !kinds.is_empty() => kinds,
            Some(_) => return Err(invalid()),
            None => return Err(MalformedPolicy("Missing required field Principal".to_owned())),
        };
        let mut principals = Vec::new();
        for (kind, values) in kinds {
            if !matches!(kind.as_str(), "AWS" | "Federated" | "Service") {
                return Err(invalid());
            }
            let values = match values {
                Value::Array(values) => values,
                single => vec![single],
            };
            for value in values {
                principals.push((kind.clone(), value.as_str().ok_or_else(invalid)?.to_owned()));
            }
        }
        Ok(Self(principals))
    }

    fn include(&self, role: &str, asker: Asker<'_>) -> bool {
        self.0.iter().any(|(kind, value)| match (kind.as_str(), asker) {
            ("*", _) => true,
            ("AWS", Asker::Caller(caller)) => is_caller(value, caller),
            ("Federated", Asker::Federated(issuer)) => *value == provider_arn(role, issuer),
            ("Service", Asker::Service(service)) => value == service,
            _ => false,
        })
    }
}

/// A principal is everybody, an account, or one user, role or session. It has no wildcards.
fn is_caller(principal: &str, caller: &Identity) -> bool {
    let root = Arn::parse(principal).filter(|arn| arn.resource == "root").map(|arn| arn.account);
    let role = caller.session().map(|session| session.issuer_arn.as_str());
    principal == "*"
        || principal == caller.account
        || root == Some(caller.account.as_str())
        || principal == caller.arn
        || role == Some(principal)
}

/// ARN of the identity provider of an issuer, in the account of the role.
fn provider_arn(role: &str, issuer: &str) -> String {
    let (partition, account) = Arn::parse(role).map_or(("aws", ""), |arn| (arn.partition, arn.account));
    let host = issuer.strip_prefix("https://").unwrap_or(issuer);
    format!("arn:{partition}:iam::{account}:oidc-provider/{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/reader";

    fn trust(principal: &Value) -> TrustPolicy {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        let document = json!({"Version": "2012-10-17", "Statement": [statement]});
        TrustPolicy::parse(&document.to_string()).expect("valid")
    }

    #[test]
    fn principals() {
        let session = Identity::assumed_role("111122223333", "operator", "pod");
        let caller = Asker::Caller(&session);
        let provider = "arn:aws:iam::111122223333:oidc-provider/cluster.test/id/1";
        for (principal, asker, expected) in [
            (json!("*"), caller, true),
            (json!({"AWS": "111122223333"}), caller, true),
            (json!({"AWS": ["arn:aws:iam::111122223333:root"]}), caller, true),
            (json!({"AWS": "arn:aws:iam::444455556666:root"}), caller, false),
            (json!({"AWS": "arn:aws:iam::111122223333:role/operator"}), caller, true),
            (json!({"AWS": "arn:aws:sts::111122223333:assumed-role/operator/pod"}), caller, true),
            (json!({"AWS": "arn:aws:iam::111122223333:role/*"}), caller, false),
            (json!({"Service": "pods.eks.amazonaws.com"}), caller, false),
            (json!({"Service": "pods.eks.amazonaws.com"}), Asker::Service("pods.eks.amazonaws.com"), true),
            (json!({"Federated": provider}), Asker::Federated("https://cluster.test/id/1"), true),
            (json!({"Federated": provider}), Asker::Federated("https://cluster.test/id/2"), false),
            (json!({"AWS": "*"}), Asker::Federated("https://cluster.test/id/1"), false),
        ] {
            let allowed = trust(&principal).allows(ROLE, asker, "sts:AssumeRole", &Keys::default());
            assert_eq!(allowed, expected, "{principal}");
        }
        assert!(!trust(&json!("*")).allows(ROLE, caller, "sts:TagSession", &Keys::default()));
    }

    #[test]
    fn statements_without_a_principal_or_with_a_resource_are_refused() {
        for statement in [
            json!({"Effect": "Allow", "Action": "sts:AssumeRole"}),
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "me"}),
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"User": "*"}}),
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Principal": "*"}),
        ] {
            let document = json!({"Version": "2012-10-17", "Statement": statement});
            assert!(TrustPolicy::parse(&document.to_string()).is_err(), "{document}");
        }
        assert!(TrustPolicy::parse("{}").is_err());
    }
}
