//! Policies of resources, which name principals: trust policies of roles, and policies of keys.

use serde_json::{Map, Value, json};

use super::keys::Keys;
use super::policy::{MalformedPolicy, Statement, parse_policy};
use crate::fake_aws::arn::Arn;
use crate::fake_aws::identity::Identity;

/// The policy of a role or of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePolicy(Vec<(Principals, Statement)>);

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

/// What a policy says about an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fake_aws) enum Grant {
    /// It does not allow it.
    Missing,
    /// It denies it.
    Denied,
    /// It leaves the decision to the identity policies of the caller's account.
    Account,
    /// It allows it to the caller.
    Principal,
}

impl ResourcePolicy {
    /// Parses the trust policy of a role, whose statements have no `Resource`.
    pub fn of_role(document: &str) -> Result<Self, MalformedPolicy> {
        Self::parse(document, |fields| {
            // The role itself is the resource.
            match fields.insert("Resource".to_owned(), json!("*")) {
                None if !fields.contains_key("NotResource") => Ok(()),
                _ => Err(MalformedPolicy("Has prohibited field Resource".to_owned())),
            }
        })
    }

    /// Parses the policy of a key. The `Resource` of its statements is `*`, which means the key.
    pub fn of_key(document: &str) -> Result<Self, MalformedPolicy> {
        Self::parse(document, |_| Ok(()))
    }

    fn parse(
        document: &str,
        check: impl Fn(&mut Map<String, Value>) -> Result<(), MalformedPolicy>,
    ) -> Result<Self, MalformedPolicy> {
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
            check(fields)?;
        }
        let statements = parse_policy(&policy.to_string())?;
        Ok(Self(principals.into_iter().zip(statements).collect()))
    }

    /// Reports whether the policy of this role lets somebody perform an action.
    pub(in crate::fake_aws) fn allows(&self, role: &str, asker: Asker<'_>, action: &str, keys: &Keys) -> bool {
        matches!(self.grant(role, asker, action, keys), Grant::Account | Grant::Principal)
    }

    /// What the policy of this resource says.
    pub(in crate::fake_aws) fn grant(&self, resource: &str, asker: Asker<'_>, action: &str, keys: &Keys) -> Grant {
        let mut grant = Grant::Missing;
        for (principals, statement) in &self.0 {
            if !statement.covers(action, resource, keys) {
                continue;
            }
            match principals.include(resource, asker) {
                Grant::Missing => {}
                _ if !statement.allow => return Grant::Denied,
                Grant::Principal => grant = Grant::Principal,
                account => grant = if grant == Grant::Missing { account } else { grant },
            }
        }
        grant
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

    /// `Grant::Principal` if the caller is named, `Grant::Account` if only its account is.
    fn include(&self, resource: &str, asker: Asker<'_>) -> Grant {
        let included = |(kind, value): &(String, String)| match (kind.as_str(), asker) {
            ("*", _) => Grant::Principal,
            ("AWS", Asker::Caller(caller)) => names_caller(value, caller),
            ("Federated", Asker::Federated(issuer)) if *value == provider_arn(resource, issuer) => Grant::Principal,
            ("Service", Asker::Service(service)) if value == service => Grant::Principal,
            _ => Grant::Missing,
        };
        let grants: Vec<Grant> = self.0.iter().map(included).collect();
        let best = [Grant::Principal, Grant::Account].into_iter().find(|grant| grants.contains(grant));
        best.unwrap_or(Grant::Missing)
    }
}

/// A principal is everybody, an account, or one user, role or session. It has no wildcards.
fn names_caller(principal: &str, caller: &Identity) -> Grant {
    let root = Arn::parse(principal).filter(|arn| arn.resource == "root").map(|arn| arn.account);
    let role = caller.session().map(|session| session.issuer_arn.as_str());
    if principal == "*" || principal == caller.arn || role == Some(principal) {
        return Grant::Principal;
    }
    if principal == caller.account || root == Some(caller.account.as_str()) {
        return Grant::Account;
    }
    Grant::Missing
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

    fn trust(principal: &Value) -> ResourcePolicy {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        let document = json!({"Version": "2012-10-17", "Statement": [statement]});
        ResourcePolicy::of_role(&document.to_string()).expect("valid")
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
            assert!(ResourcePolicy::of_role(&document.to_string()).is_err(), "{document}");
        }
        assert!(ResourcePolicy::of_role("{}").is_err());
    }
}
