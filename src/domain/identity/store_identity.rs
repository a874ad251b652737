//! As whom a store reads, as its spec says it.

use crate::api::{
    AssumeRole, ClusterIdentity, CredentialKeys, NAMESPACE_PLACEHOLDER, NamespacedIdentity, Reason, SessionPolicy,
};
use crate::domain::report::fault::Fault;

/// Where the first credentials of a store come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CredentialSource {
    /// The operator's own identity.
    Operator,
    /// Tokens of a ServiceAccount, which STS exchanges for a session of its role.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The audiences of the tokens; empty for the default.
        audiences: Vec<String>,
    },
    /// An access key in a Secret.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The keys under which it holds the access key.
        keys: CredentialKeys,
    },
}

/// The identity of a store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoreIdentity {
    /// Where the first credentials come from.
    pub(crate) source: CredentialSource,
    /// The roles that are assumed one after the other.
    pub(crate) roles: Vec<AssumeRole>,
    /// Whether the last session carries a policy made from the access rules.
    pub(crate) is_limited: bool,
}

impl StoreIdentity {
    /// Returns the identity of a cluster store.
    pub(crate) fn of_cluster_store(identity: Option<&ClusterIdentity>) -> Self {
        let Some(identity) = identity else {
            return Self { source: CredentialSource::Operator, roles: Vec::new(), is_limited: false };
        };
        let service_account = identity.service_account_ref.as_ref().map(|account| CredentialSource::ServiceAccount {
            namespace: account.namespace.clone(),
            name: account.name.clone(),
            audiences: account.audiences.clone(),
        });
        let secret = identity.credentials_secret_ref.as_ref().map(|secret| CredentialSource::Secret {
            namespace: secret.namespace.clone(),
            name: secret.name.clone(),
            keys: secret.keys.clone().unwrap_or_default(),
        });
        Self {
            source: service_account.or(secret).unwrap_or(CredentialSource::Operator),
            roles: identity.assume_roles.clone(),
            is_limited: identity.session_policy == Some(SessionPolicy::FromAccess),
        }
    }

    /// Returns the identity of a store of this namespace. Whatever its spec says, it is never the operator's own, and all
    /// that it refers to is of this namespace.
    ///
    /// # Errors
    /// `InvalidSpec` if it names no source of credentials.
    pub(crate) fn of_store(namespace: &str, identity: &NamespacedIdentity) -> Result<Self, Fault> {
        let namespace = || namespace.to_owned();
        let service_account = identity.service_account_ref.as_ref().map(|account| CredentialSource::ServiceAccount {
            namespace: namespace(),
            name: account.name.clone(),
            audiences: account.audiences.clone(),
        });
        let secret = identity.credentials_secret_ref.as_ref().map(|secret| CredentialSource::Secret {
            namespace: namespace(),
            name: secret.name.clone(),
            keys: secret.keys.clone().unwrap_or_default(),
        });
        let source = service_account.or(secret).ok_or_else(|| {
            let message = "A ParameterStore never uses the operator's identity; set spec.identity.serviceAccountRef or \
                           spec.identity.credentialsSecretRef.";
            Fault::new(Reason::InvalidSpec, message)
        })?;
        Ok(Self { source, roles: identity.assume_roles.clone(), is_limited: false })
    }

    /// Returns namespace and name of the Secret with the credentials, if there is one.
    pub(crate) fn secret(&self) -> Option<(&str, &str)> {
        match &self.source {
            CredentialSource::Secret { namespace, name, .. } => Some((namespace, name)),
            _ => None,
        }
    }

    /// Reports whether each reading namespace has a session of its own.
    pub(crate) fn is_per_namespace(&self) -> bool {
        self.shared_roles() < self.roles.len() || self.is_limited
    }

    /// Returns how many roles, from the first on, are assumed in the same way for all namespaces.
    pub(crate) fn shared_roles(&self) -> usize {
        let is_shared = |role: &&AssumeRole| {
            !role.session_tags.unwrap_or_default() && !role.role_arn.contains(NAMESPACE_PLACEHOLDER)
        };
        let shared = self.roles.iter().take_while(is_shared).count();
        // The policy is that of the last session.
        if self.is_limited { shared.min(self.roles.len().saturating_sub(1)) } else { shared }
    }

    /// Describes the identity in one string that no other identity with other rights has. `role_arn` is the role of the
    /// ServiceAccount, if it begins with one. A change of it means that everything is read again.
    pub(crate) fn describe(&self, role_arn: Option<&str>) -> String {
        let source = match &self.source {
            CredentialSource::Operator => "ambient".to_owned(),
            CredentialSource::ServiceAccount { namespace, name, .. } => {
                format!("serviceaccount:{namespace}/{name}:{}", role_arn.unwrap_or_default())
            }
            CredentialSource::Secret { namespace, name, .. } => format!("{namespace}/{name}"),
        };
        let tags = |role: &AssumeRole| {
            let own = if role.session_tags.unwrap_or_default() { "+kubernetes" } else { "" };
            role.tags.iter().fold(own.to_owned(), |tags, (key, value)| format!("{tags}+{key}={value}"))
        };
        let chain = self.roles.iter().fold(source, |chain, role| format!("{chain}>{}{}", role.role_arn, tags(role)));
        if self.is_limited { chain + "|FromAccess" } else { chain }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::{LocalSecretRef, LocalServiceAccountRef, NamespacedServiceAccountRef};

    fn role(arn: &str, session_tags: bool) -> AssumeRole {
        AssumeRole {
            role_arn: format!("arn:aws:iam::111122223333:role/{arn}"),
            session_tags: session_tags.then_some(true),
            ..AssumeRole::default()
        }
    }

    fn identity(roles: &[AssumeRole], session_policy: Option<SessionPolicy>) -> StoreIdentity {
        let identity = ClusterIdentity { assume_roles: roles.to_vec(), session_policy, ..ClusterIdentity::default() };
        StoreIdentity::of_cluster_store(Some(&identity))
    }

    #[test]
    fn what_differs_between_namespaces_makes_a_session_for_each() {
        let from_access = Some(SessionPolicy::FromAccess);
        let (plain, named, tagged) = (role("hub", false), role("p-{namespace}", false), role("abac", true));
        let plain_only = std::slice::from_ref(&plain);
        for (roles, policy, shared, is_per_namespace) in [
            (&[][..], None, 0, false),
            (&[], from_access, 0, true),
            (plain_only, None, 1, false),
            (plain_only, Some(SessionPolicy::None), 1, false),
            (plain_only, from_access, 0, true),
            (&[plain.clone(), plain.clone()], from_access, 1, true),
            (&[plain.clone(), named.clone()], None, 1, true),
            (&[tagged.clone(), plain.clone()], None, 0, true),
            (&[named.clone(), plain.clone()], from_access, 0, true),
        ] {
            let identity = identity(roles, policy);
            assert_eq!((identity.shared_roles(), identity.is_per_namespace()), (shared, is_per_namespace), "{roles:?}");
        }
    }

    #[test]
    fn a_namespaced_store_never_reads_as_the_operator() {
        let roles = vec![role("hub", false)];
        let none = NamespacedIdentity { assume_roles: roles.clone(), ..NamespacedIdentity::default() };
        let fault = StoreIdentity::of_store("shop", &none).expect_err("no source");
        assert_eq!(fault.reason, Reason::InvalidSpec);
        let secret = Some(LocalSecretRef { name: "aws".into(), ..LocalSecretRef::default() });
        let account = Some(LocalServiceAccountRef { name: "reader".into(), ..LocalServiceAccountRef::default() });
        for identity in [
            NamespacedIdentity { credentials_secret_ref: secret.clone(), ..none.clone() },
            NamespacedIdentity { service_account_ref: account.clone(), ..none.clone() },
            NamespacedIdentity { service_account_ref: account, credentials_secret_ref: secret, ..none },
        ] {
            match StoreIdentity::of_store("shop", &identity).expect("a source").source {
                CredentialSource::Operator => unreachable!("the operator's identity"),
                CredentialSource::ServiceAccount { namespace, .. } | CredentialSource::Secret { namespace, .. } => {
                    assert_eq!(namespace, "shop");
                }
            }
        }
    }

    #[test]
    fn identities_are_told_apart() {
        let (hub, other) = (role("hub", false), role("other", false));
        let tagged = AssumeRole { session_tags: Some(true), ..hub.clone() };
        let owned = AssumeRole { tags: [("team".to_owned(), "a".to_owned())].into(), ..hub.clone() };
        let limited = identity(std::slice::from_ref(&hub), Some(SessionPolicy::FromAccess)).describe(None);
        let chains = [&[hub.clone()][..], &[hub, other.clone()], &[other], &[tagged], &[owned]];
        let described = chains.map(|roles| identity(roles, None).describe(None));
        let account = ClusterIdentity {
            service_account_ref: Some(NamespacedServiceAccountRef::default()),
            ..ClusterIdentity::default()
        };
        let account = StoreIdentity::of_cluster_store(Some(&account));
        let accounts = ["arn:a", "arn:b"].map(|role| account.describe(Some(role)));
        let all: BTreeSet<_> = described.into_iter().chain([limited]).chain(accounts).collect();
        assert_eq!(all.len(), 8, "{all:?}");
    }
}
