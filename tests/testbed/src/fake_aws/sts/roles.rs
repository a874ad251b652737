//! Roles and their trust policies.

use std::collections::BTreeMap;

use super::request::Request;
use super::token::{Issuers, WebIdentity};
use crate::fake_aws::arn;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::iam::{Asker, Keys, ResourcePolicy, Statement, matches};
use crate::fake_aws::identity::{Identity, unique};

/// Space for the session policy and the tags of a session, in characters. AWS packs them and does not publish the limit.
const PACKED_LIMIT: usize = 8192;

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
    /// Globs of token audiences that may assume it with a web identity.
    pub trusted_audiences: Vec<String>,
    /// Globs of token issuers that may assume it with a web identity.
    pub trusted_providers: Vec<String>,
    /// True if its trust policy allows `sts:TagSession`.
    pub allows_tag_session: bool,
    /// True if its trust policy allows `sts:SetSourceIdentity`.
    pub allows_set_source_identity: bool,
    /// The trust policy as a document. It takes the place of all fields above but the ARN and the id.
    pub trust: Option<ResourcePolicy>,
    /// Tags of the role, which its sessions have too.
    pub tags: BTreeMap<String, String>,
    /// Longest session, in seconds.
    pub max_session_seconds: i64,
    /// Statements without which its sessions may do nothing. `None` allows everything. A change acts on the sessions that
    /// exist, as long as the role keeps its id.
    pub policy: Option<Vec<Statement>>,
}

impl Role {
    /// A role that all principals may assume and that may do everything.
    pub fn new(account: &str, name: &str) -> Self {
        let everyone = || vec!["*".to_owned()];
        Self {
            arn: format!("arn:aws:iam::{account}:role/{name}"),
            id: unique("AROA"),
            trusted: everyone(),
            external_id: None,
            trusted_subjects: everyone(),
            trusted_audiences: everyone(),
            trusted_providers: everyone(),
            allows_tag_session: true,
            allows_set_source_identity: true,
            trust: None,
            tags: BTreeMap::new(),
            max_session_seconds: 3600,
            policy: None,
        }
    }

    /// The same role in another partition, such as `aws-cn`.
    #[must_use]
    pub fn in_partition(mut self, partition: &str) -> Self {
        self.arn = arn::in_partition(&self.arn, partition);
        self
    }

    /// The same role, whose sessions are allowed only what the statements allow.
    #[must_use]
    pub fn with_policy(mut self, statements: Vec<Statement>) -> Self {
        self.policy = Some(statements);
        self
    }

    /// The same role with this trust policy.
    #[must_use]
    pub fn with_trust(mut self, policy: ResourcePolicy) -> Self {
        self.trust = Some(policy);
        self
    }

    pub(super) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// The name without its path, as in ARNs of sessions.
    pub(super) fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// Reports whether the trust policy lets the caller perform an action: `sts:AssumeRole`, `sts:TagSession` or
    /// `sts:SetSourceIdentity`.
    pub(super) fn trusts(&self, caller: &Identity, action: &str, request: &Request<'_>, region: &str) -> bool {
        if let Some(policy) = &self.trust {
            let keys = Keys::of(caller, region).and(request.keys());
            return policy.allows(&self.arn, Asker::Caller(caller), action, &keys);
        }
        match action {
            "sts:TagSession" => self.allows_tag_session,
            "sts:SetSourceIdentity" => self.allows_set_source_identity,
            _ => {
                listed(&self.trusted, &caller.arn)
                    && (self.external_id.is_none() || self.external_id.as_deref() == request.external_id)
            }
        }
    }

    /// Reports whether the trust policy lets a service start a tagged session.
    pub(super) fn trusts_service(&self, service: &str, request: &Request<'_>) -> bool {
        let by_policy = |policy: &ResourcePolicy| {
            let allows = |action| policy.allows(&self.arn, Asker::Service(service), action, &request.keys());
            allows("sts:AssumeRole") && allows("sts:TagSession")
        };
        let by_lists = || self.allows_tag_session && listed(&self.trusted, service);
        self.trust.as_ref().map_or_else(by_lists, by_policy)
    }

    /// Reports whether the trust policy lets the bearer of a token start a session.
    pub(super) fn trusts_token(&self, token: &WebIdentity, request: &Request<'_>) -> bool {
        let WebIdentity { subject, audience, provider } = token;
        if let Some(policy) = &self.trust {
            let issuer = provider.strip_prefix("https://").unwrap_or(provider);
            let keys = request.keys().with(&format!("{issuer}:sub"), subject).with(&format!("{issuer}:aud"), audience);
            return policy.allows(&self.arn, Asker::Federated(provider), "sts:AssumeRoleWithWebIdentity", &keys);
        }
        listed(&self.trusted_subjects, subject)
            && listed(&self.trusted_audiences, audience)
            && listed(&self.trusted_providers, provider)
    }
}

fn listed(globs: &[String], text: &str) -> bool {
    globs.iter().any(|glob| matches(glob, text))
}

/// Roles of all accounts.
#[derive(Default)]
pub(in crate::fake_aws) struct Roles {
    by_arn: BTreeMap<String, Role>,
    /// Issuers of web identity tokens.
    pub issuers: Issuers,
    /// Lifetime of new sessions, in place of the requested one.
    pub lifetime_ms: Option<i64>,
    /// Space for the session policy and the tags of a session, in characters.
    pub packed_limit: Option<usize>,
}

impl Roles {
    /// Creates or replaces a role.
    pub(crate) fn add(&mut self, role: Role) {
        self.by_arn.insert(role.arn.clone(), role);
    }

    /// Deletes a role. Returns it.
    pub(crate) fn remove(&mut self, arn: &str) -> Option<Role> {
        self.by_arn.remove(arn)
    }

    /// A role, to change it.
    pub(crate) fn get_mut(&mut self, arn: &str) -> Option<&mut Role> {
        self.by_arn.get_mut(arn)
    }

    /// A role by its ARN.
    pub(crate) fn get(&self, arn: &str) -> Option<&Role> {
        self.by_arn.get(arn)
    }

    /// The role behind a session, unless the session belongs to none that exists. Ids differ between a role and a deleted
    /// one of the same name.
    pub(crate) fn of_session(&self, caller: &Identity) -> Option<&Role> {
        let session = caller.session()?;
        self.get(&session.issuer_arn).filter(|role| role.id == session.issuer_id)
    }

    /// `PackedPolicySize`, or the error of STS if it exceeds 100. Without policy and tags there is none.
    pub(super) fn packed_percent(&self, size: usize) -> Outcome<Option<usize>> {
        let limit = self.packed_limit.unwrap_or(PACKED_LIMIT);
        let percent = (size * 100).div_ceil(limit.max(1));
        if size > limit {
            let message = format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.");
            return Err(AwsError::new("PackedPolicyTooLarge", message));
        }
        Ok((size > 0).then_some(percent))
    }
}
