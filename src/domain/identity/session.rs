//! What STS is asked for, so that a store can read.

use std::time::Duration;

use crate::api::{AssumeRole, Interval, NAMESPACE_PLACEHOLDER, Reason};
use crate::domain::{
    identity::{
        session_name::session_name,
        store_identity::{CredentialSource, StoreIdentity},
    },
    report::fault::Fault,
};

/// How long a session lasts where the store does not say: the shortest of the longest durations that IAM allows for a role.
pub(crate) const DEFAULT_DURATION: Duration = Duration::from_secs(3_600);
/// Longest session of a role that another session assumes (IAM User Guide, "Role chaining").
pub(crate) const LONGEST_CHAINED: Duration = Duration::from_secs(3_600);
/// Most characters of the name of a role (IAM API reference, CreateRole).
const LONGEST_ROLE_NAME: usize = 64;

/// A call of `AssumeRole`. Equal calls have equal sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoleRequest {
    /// ARN of the role.
    pub(crate) role_arn: String,
    /// Name of the session.
    pub(crate) session_name: String,
    /// External id.
    pub(crate) external_id: Option<String>,
    /// Tags of the session.
    pub(crate) tags: Vec<(String, String)>,
    /// Keys of the tags that later sessions inherit.
    pub(crate) transitive_tag_keys: Vec<String>,
    /// Source identity.
    pub(crate) source_identity: Option<String>,
    /// Duration of the session.
    pub(crate) duration: Duration,
    /// Session policy.
    pub(crate) policy: Option<String>,
}

/// A call of `AssumeRoleWithWebIdentity`, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WebIdentityRequest {
    /// ARN of the role.
    pub(crate) role_arn: String,
    /// Name of the session.
    pub(crate) session_name: String,
    /// Session policy.
    pub(crate) policy: Option<String>,
}

/// For whom a session is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionOwner<'a> {
    /// Name of the cluster; empty if it is not known.
    pub(crate) cluster: &'a str,
    /// Name of the store.
    pub(crate) store: &'a str,
    /// The namespace of the store, if it has one.
    pub(crate) store_namespace: Option<&'a str>,
    /// The namespace that reads, if each has a session of its own.
    pub(crate) reader: Option<&'a str>,
}

impl SessionOwner<'_> {
    /// Returns the owner of a session that all namespaces share.
    const fn shared(self) -> Self {
        Self { reader: None, ..self }
    }

    fn namespace(&self) -> Option<&str> {
        self.store_namespace.or(self.reader)
    }

    /// Returns the name of the session.
    fn session_name(&self) -> String {
        session_name(self.cluster, self.namespace(), self.store)
    }

    /// Returns what `sessionTags` sets.
    fn tags(&self) -> impl Iterator<Item = (String, String)> {
        let tags = [
            ("kubernetes-namespace", self.namespace().unwrap_or_default()),
            ("kubernetes-store", self.store),
            ("kubernetes-cluster", self.cluster),
        ];
        tags.into_iter().filter(|tag| !tag.1.is_empty()).map(|(key, value)| (key.to_owned(), value.to_owned()))
    }
}

impl StoreIdentity {
    /// Returns the calls of `AssumeRole` for one owner. The last session carries `policy`.
    ///
    /// # Errors
    /// `StoreNotReady` if no role can have the name that follows from that of the namespace.
    pub(crate) fn role_requests(
        &self,
        owner: SessionOwner<'_>,
        policy: Option<&str>,
    ) -> Result<Vec<RoleRequest>, Fault> {
        let (last, shared) = (self.roles.len().checked_sub(1), self.shared_roles());
        let requests = self.roles.iter().enumerate().map(|(index, role)| {
            let owner = if index < shared { owner.shared() } else { owner };
            let is_chained = index > 0 || matches!(self.source, CredentialSource::ServiceAccount { .. });
            request(role, owner, is_chained, policy.filter(|_| Some(index) == last))
        });
        requests.collect()
    }

    /// Returns the call of `AssumeRoleWithWebIdentity` that exchanges a token of a ServiceAccount for a session of this role.
    pub(crate) fn web_identity_request(
        &self,
        role_arn: &str,
        owner: SessionOwner<'_>,
        policy: Option<&str>,
    ) -> WebIdentityRequest {
        // With further roles, the first session is the same for all, and the policy is that of the last one.
        let is_last = self.roles.is_empty();
        let owner = if is_last { owner } else { owner.shared() };
        WebIdentityRequest {
            role_arn: role_arn.to_owned(),
            session_name: owner.session_name(),
            policy: policy.filter(|_| is_last).map(str::to_owned),
        }
    }
}

fn request(
    role: &AssumeRole,
    owner: SessionOwner<'_>,
    is_chained: bool,
    policy: Option<&str>,
) -> Result<RoleRequest, Fault> {
    let role_arn = role.role_arn.replace(NAMESPACE_PLACEHOLDER, owner.namespace().unwrap_or_default());
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    if name.len() > LONGEST_ROLE_NAME {
        let message = format!(
            "Role {name} has more than {LONGEST_ROLE_NAME} characters, which no role can have; shorten roleARN in \
             spec.identity.assumeRoles of the store or the name of the namespace."
        );
        return Err(Fault::new(Reason::StoreNotReady, message));
    }
    let duration = role.duration.as_ref().and_then(Interval::parse).unwrap_or(DEFAULT_DURATION);
    let own_tags = owner.tags().filter(|_| role.session_tags.unwrap_or_default());
    let given_tags = role.tags.iter().map(|(key, value)| (key.clone(), value.clone()));
    Ok(RoleRequest {
        session_name: owner.session_name(),
        external_id: role.external_id.clone(),
        tags: own_tags.chain(given_tags).collect(),
        transitive_tag_keys: role.transitive_tag_keys.clone(),
        source_identity: role.source_identity.clone(),
        duration: if is_chained { duration.min(LONGEST_CHAINED) } else { duration },
        policy: policy.map(str::to_owned),
        role_arn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ClusterIdentity, NamespacedServiceAccountRef};

    const OWNER: SessionOwner<'_> =
        SessionOwner { cluster: "prod", store: "default", store_namespace: None, reader: Some("shop") };

    fn role(name: &str) -> AssumeRole {
        AssumeRole { role_arn: format!("arn:aws:iam::111122223333:role/{name}"), ..AssumeRole::default() }
    }

    fn identity(roles: &[AssumeRole]) -> StoreIdentity {
        let identity = ClusterIdentity { assume_roles: roles.to_vec(), ..ClusterIdentity::default() };
        StoreIdentity::of_cluster_store(Some(&identity))
    }

    #[test]
    fn the_first_roles_of_a_chain_are_shared_and_the_others_are_not() {
        let tagged = AssumeRole { session_tags: Some(true), ..role("reader-{namespace}") };
        let requests = identity(&[role("hub"), tagged]).role_requests(OWNER, Some("{}")).expect("requests");
        let names: Vec<_> = requests.iter().map(|request| request.session_name.as_str()).collect();
        assert_eq!(names, ["spo-prod-default", "spo-prod-shop-default"]);
        assert_eq!(requests[1].role_arn, "arn:aws:iam::111122223333:role/reader-shop");
        let policies: Vec<_> = requests.iter().map(|request| request.policy.as_deref()).collect();
        assert_eq!(policies, [None, Some("{}")]);
        let tags: Vec<_> = requests[1].tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(tags, ["kubernetes-namespace=shop", "kubernetes-store=default", "kubernetes-cluster=prod"]);
    }

    #[test]
    fn the_sessions_of_a_namespaced_store_are_those_of_its_namespace() {
        let owner = SessionOwner { store_namespace: Some("shop"), reader: None, ..OWNER };
        let tagged = AssumeRole { session_tags: Some(true), ..role("reader-{namespace}") };
        let requests = identity(&[role("hub"), tagged]).role_requests(owner, None).expect("requests");
        assert!(requests.iter().all(|request| request.session_name == "spo-prod-shop-default"), "{requests:?}");
        assert_eq!(requests[1].role_arn, "arn:aws:iam::111122223333:role/reader-shop");
        assert_eq!(requests[1].tags[0].1, "shop");
    }

    #[test]
    fn a_session_that_assumes_a_role_has_at_most_an_hour() {
        let long = AssumeRole { duration: Some(Interval("12h".into())), ..role("a") };
        let durations = |identity: &StoreIdentity| {
            let requests = identity.role_requests(OWNER, None).expect("requests");
            requests.iter().map(|request| request.duration.as_secs() / 3_600).collect::<Vec<_>>()
        };
        assert_eq!(durations(&identity(&[long.clone(), long.clone()])), [12, 1]);
        assert_eq!(durations(&identity(&[role("a")])), [1]);
        let account = NamespacedServiceAccountRef::default();
        let identity = ClusterIdentity {
            service_account_ref: Some(account),
            assume_roles: vec![long],
            ..ClusterIdentity::default()
        };
        assert_eq!(durations(&StoreIdentity::of_cluster_store(Some(&identity))), [1]);
    }

    #[test]
    fn a_role_that_cannot_exist_is_not_asked_for() {
        let reader = "n".repeat(63);
        let owner = SessionOwner { reader: Some(&reader), ..OWNER };
        let fault = identity(&[role("parameters-{namespace}")]).role_requests(owner, None).expect_err("too long");
        assert_eq!(fault.reason, Reason::StoreNotReady);
        assert!(fault.message.contains("64 characters"), "{}", fault.message);
        assert!(identity(&[role("path-is-not-counted/{namespace}")]).role_requests(owner, None).is_ok());
    }

    #[test]
    fn a_web_identity_carries_the_policy_only_if_no_role_follows() {
        let alone = identity(&[]).web_identity_request("arn", OWNER, Some("{}"));
        assert_eq!((alone.session_name.as_str(), alone.policy.as_deref()), ("spo-prod-shop-default", Some("{}")));
        let first = identity(&[role("a")]).web_identity_request("arn", OWNER, Some("{}"));
        assert_eq!((first.session_name.as_str(), first.policy), ("spo-prod-default", None));
    }
}
