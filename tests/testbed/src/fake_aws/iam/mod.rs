//! Permissions: everything is allowed, except what a rule of the test or a policy of the identity denies.

mod condition;
mod keys;
mod pattern;
mod policy;
mod resource;

use std::collections::BTreeMap;

use super::error::{AwsError, Outcome};
use super::identity::Identity;

pub(super) use keys::Keys;
pub(super) use pattern::matches;
pub use policy::{MalformedPolicy, Statement, parse_policy};
pub use resource::ResourcePolicy;
pub(super) use resource::{Asker, Grant};

/// Id of a denial, for `undeny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

/// An action on a resource, for which a caller needs permission.
#[derive(Clone)]
pub(super) struct Access<'a> {
    action: &'a str,
    resource: &'a str,
    keys: Keys,
    /// What the policy of the resource says.
    grant: Grant,
}

impl<'a> Access<'a> {
    /// An action on a resource, without condition keys of its own.
    pub(super) fn new(action: &'a str, resource: &'a str) -> Self {
        Self { action, resource, keys: Keys::default(), grant: Grant::Account }
    }

    /// Adds the condition keys of the request.
    #[must_use]
    pub(super) fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// With true, the policy of the resource grants the access to the account of the caller. Then no identity policy has
    /// to. A session policy still has to, because it limits what a session may use of any grant to its role or account
    /// (IAM User Guide, session policies).
    #[must_use]
    pub(super) fn granted(self, granted: bool) -> Self {
        Self { grant: if granted { Grant::Principal } else { Grant::Account }, ..self }
    }

    /// Applies the policy of a resource that belongs to `account`.
    #[must_use]
    pub(super) fn under(self, policy: &ResourcePolicy, account: &str, who: &Identity, region: &str) -> Self {
        let keys = Keys::of(who, region).and(self.keys.clone());
        let grant = match policy.grant(self.resource, Asker::Caller(who), self.action, &keys) {
            // Between accounts, both sides must allow it.
            Grant::Principal if who.account != account => Grant::Account,
            grant => grant,
        };
        Self { grant, ..self }
    }
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

    /// Allows the access, or returns the error of AWS. `policy` is that of the user or the role; `None` allows everything.
    pub(super) fn authorize(
        &self,
        who: &Identity,
        policy: Option<&[Statement]>,
        region: &str,
        access: Access<'_>,
    ) -> Outcome<()> {
        let Access { action, resource, keys, grant } = access;
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
        let keys = Keys::of(who, region).and(keys);
        let covering = |statements: &[Statement], allow: bool| {
            statements.iter().any(|one| one.allow == allow && one.covers(action, resource, &keys))
        };
        let session = who.session();
        let session_policy = session.and_then(|session| session.policy.as_deref());
        // An explicit denial in any policy decides first.
        if grant == Grant::Denied {
            return Err(because("with an explicit deny in a resource-based policy"));
        }
        if session.is_some_and(|session| session.revoked) || policy.is_some_and(|policy| covering(policy, false)) {
            return Err(because("with an explicit deny in an identity-based policy"));
        }
        if session_policy.is_some_and(|policy| covering(policy, false)) {
            return Err(because("with an explicit deny in a session policy"));
        }
        if grant == Grant::Missing {
            return Err(because(&format!("because no resource-based policy allows the {action} action")));
        }
        if grant != Grant::Principal && policy.is_some_and(|policy| !covering(policy, true)) {
            return Err(because(&format!("because no identity-based policy allows the {action} action")));
        }
        if session_policy.is_some_and(|policy| !covering(policy, true)) {
            return Err(because(&format!("because no session policy allows the {action} action")));
        }
        Ok(())
    }
}
