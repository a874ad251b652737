//! Roles that may be assumed, and who may assume them.

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
    /// Must be given by them when present.
    pub external_id: Option<String>,
    /// Globs of token subjects that may assume it with a web identity.
    pub trusted_subjects: Vec<String>,
    /// Longest session, seconds.
    pub max_session_seconds: i64,
    /// Statements that alone allow something to its sessions; `None` allows everything.
    pub policy: Option<Vec<Statement>>,
}

impl Role {
    /// A role that everybody may assume and that may do everything.
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

    /// The name without its path, as sessions show it.
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

/// A web identity token that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// `sub`, such as `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
    /// `aud`
    pub audience: String,
    /// `iss`
    pub provider: String,
}

/// Decides about a web identity token; the error is shown to the caller.
pub type TokenCheck = Box<dyn Fn(&str) -> Result<WebIdentity, String> + Send>;

/// Roles of all accounts.
#[derive(Default)]
pub(in crate::fake_aws) struct Roles {
    by_arn: BTreeMap<String, Role>,
    /// Replaces the default, which believes any token.
    pub token_check: Option<TokenCheck>,
}

impl Roles {
    /// Makes or replaces a role.
    pub fn add(&mut self, role: Role) {
        self.by_arn.insert(role.arn.clone(), role);
    }

    pub(super) fn get(&self, arn: &str) -> Option<&Role> {
        self.by_arn.get(arn)
    }
}
