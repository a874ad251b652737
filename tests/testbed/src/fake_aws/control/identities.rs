//! Identities, roles, sessions and permissions, as a test sets them up.

use std::time::Duration;

use crate::fake_aws::FakeAws;
use crate::fake_aws::fault::{self, Fault};
use crate::fake_aws::iam::{RuleId, Statement};
use crate::fake_aws::identity::Identity;
use crate::fake_aws::sts::{self, Role, TokenError, TokenVerifier, WebIdentity};

impl FakeAws {
    /// Denies an action on resources (globs) to all principals.
    pub fn deny(&self, action: &str, resource_glob: &str) -> RuleId {
        self.deny_principal("*", action, resource_glob)
    }

    /// Denies an action on resources to principals whose ARN matches; all three are globs.
    pub fn deny_principal(&self, principal_glob: &str, action: &str, resource_glob: &str) -> RuleId {
        self.inner.shared.world().rules.deny(principal_glob, action, resource_glob)
    }

    /// Removes a denial.
    pub fn undeny(&self, rule: RuleId) {
        self.inner.shared.world().rules.undeny(rule);
    }

    /// Accepts these credentials from now on; replaces those with the same access key.
    pub fn add_identity(&self, identity: Identity) {
        self.inner.shared.world().identities.add(identity);
    }

    /// Gives the default identity an allow-list, or `None` for everything.
    pub fn set_policy(&self, policy: Option<Vec<Statement>>) {
        self.add_identity(Identity { policy, ..self.default_identity() });
    }

    /// Makes credentials expire.
    pub fn expire(&self, access_key_id: &str) {
        self.inner.shared.world().identities.expire(access_key_id);
    }

    /// Removes credentials, which are then unknown.
    pub fn remove_identity(&self, access_key_id: &str) {
        self.inner.shared.world().identities.remove(access_key_id);
    }

    /// Creates or replaces a role. A change of the policy acts on present sessions if the id is the same.
    pub fn add_role(&self, role: Role) {
        self.inner.shared.world().roles.add(role);
    }

    /// Deletes a role. Present sessions keep its last policy.
    pub fn remove_role(&self, arn: &str) {
        self.inner.shared.world().roles.remove(arn);
    }

    /// Sets the policy of a role, also for its present sessions. `None` allows everything. Returns false if there is no such
    /// role.
    pub fn set_role_policy(&self, arn: &str, policy: Option<Vec<Statement>>) -> bool {
        let mut world = self.inner.shared.world();
        world.roles.get_mut(arn).map(|role| role.policy = policy).is_some()
    }

    /// Ends new sessions after this time, or after the time that the request asks for. A shorter time than AWS allows lets
    /// a test see a renewal.
    pub fn set_session_lifetime(&self, lifetime: Option<Duration>) {
        let ms = lifetime.map(|lifetime| i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX / 2));
        self.inner.shared.world().roles.lifetime_ms = ms;
    }

    /// Makes all present sessions of roles expire, whose ARN matches the glob. Returns their number.
    pub fn expire_sessions(&self, role_glob: &str) -> usize {
        self.inner.shared.world().identities.expire_sessions(role_glob)
    }

    /// Revokes all present sessions of roles, whose ARN matches the glob, as the console of IAM does: an explicit denial of
    /// everything to sessions that are older. Returns their number.
    pub fn revoke_sessions(&self, role_glob: &str) -> usize {
        self.inner.shared.world().identities.revoke_sessions(role_glob)
    }

    /// Makes the next `count` calls fail that assume this role, by either operation.
    pub fn fault_role(&self, role_arn: &str, fault: Fault, count: usize) {
        self.inner.shared.world().faults.plan(&fault::of_role(role_arn), 0, fault, count);
    }

    /// Limits the characters of the session policy and the tags of a session, beyond which STS answers
    /// `PackedPolicyTooLarge`; or sets the default of 8,192.
    pub fn set_packed_limit(&self, characters: Option<usize>) {
        self.inner.shared.world().roles.packed_limit = characters;
    }

    /// Sets the check of web identity tokens. It must not call the fake. An error that is a text is
    /// `InvalidIdentityToken`.
    pub fn set_token_check<E: Into<TokenError>>(
        &self,
        check: impl Fn(&str) -> Result<WebIdentity, E> + Send + 'static,
    ) {
        let check = move |token: &str, _: i64| check(token).map_err(Into::into);
        self.inner.shared.world().roles.issuers.check = Some(Box::new(check));
    }

    /// Accepts the web identity tokens of one issuer alone. The clock of the service counts.
    pub fn verify_tokens(&self, verifier: TokenVerifier) {
        let check = move |token: &str, now_ms: i64| verifier.verify(token, now_ms);
        self.inner.shared.world().roles.issuers.check = Some(Box::new(check));
    }

    /// With false, STS does not reach the issuers of web identity tokens (`IDPCommunicationError`).
    pub fn set_issuers_reachable(&self, reachable: bool) {
        self.inner.shared.world().roles.issuers.unreachable = !reachable;
    }

    /// Starts a session of a role for a service of AWS, with transitive tags.
    pub(in crate::fake_aws) fn start_service_session<'a>(
        &self,
        service: &str,
        role_arn: &str,
        session_name: &str,
        tags: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Identity> {
        self.as_test(|world, context| sts::start_for_service(world, context, service, role_arn, session_name, tags))
    }
}
