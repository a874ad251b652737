//! Roles and their trust policies.

use std::collections::BTreeMap;

use crate::fake_aws::iam::{Statement, matches};
use crate::fake_aws::identity::unique;

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// `arn:aws:iam::<account>:role/<path><name>`
    pub arn: String,
    /// `AROA...`
    pub id: String,
    /// Globs of principal ARNs that may assume it with their own credentials.
    pub trusted: Vec<String>,
    /// External id, if these principals must pass one.
    pub external_id: Option<String>,
    /// Globs of token subjects that may assume it with a web identity.
    pub trusted_subjects: Vec<String>,
    /// Longest session, in seconds.
    pub max_session_seconds: i64,
    /// Statements without which its sessions may do nothing. `None` allows everything.
    pub policy: Option<Vec<Statement>>,
}

impl Role {
    /// A role that all principals may assume and that may do everything.
    pub fn new(account: &str, name: &str) -> Self {
        Self {
            arn: format!("arn:aws:iam::{account}:role/{name}"),
            id: unique("AROA"),
            trusted: vec!["*".to_owned()],
            external_id: None,
            trusted_subjects: vec!["*".to_owned()],
            max_session_seconds: 3600,
            policy: None,
        }
    }

    pub(super) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// The name without its path, as in ARNs of sessions.
    pub(super) fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn trusts(&self, principal: &str, external_id: Option<&str>) -> bool {
        let known = self.trusted.iter().any(|glob| matches(glob, principal));
        known && (self.external_id.is_none() || self.external_id.as_deref() == external_id)
    }

    pub(super) fn trusts_subject(&self, subject: &str) -> bool {
        self.trusted_subjects.iter().any(|glob| matches(glob, subject))
    }
}

/// The claims of an accepted web identity token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// `sub`, such as `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
    /// `aud`
    pub audience: String,
    /// `iss`
    pub provider: String,
}

/// Checks a web identity token. The caller sees the error.
pub type TokenCheck = Box<dyn Fn(&str) -> Result<WebIdentity, String> + Send>;

/// Roles of all accounts.
#[derive(Default)]
pub(in crate::fake_aws) struct Roles {
    by_arn: BTreeMap<String, Role>,
    /// Replaces the default check, which accepts any token.
    pub token_check: Option<TokenCheck>,
}

impl Roles {
    /// Creates or replaces a role.
    pub(crate) fn add(&mut self, role: Role) {
        self.by_arn.insert(role.arn.clone(), role);
    }

    pub(super) fn get(&self, arn: &str) -> Option<&Role> {
        self.by_arn.get(arn)
    }
}
