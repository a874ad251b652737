//! What policies depend on in a store.

use std::fmt;

use crate::{
    api::{AccessRule, ClusterParameterStore, Decryption, ParameterStore, StoreKind, StoreStatus},
    domain::{
        iam::trust::role_of_session,
        identity::store_identity::{CredentialSource, StoreIdentity},
        parameter::{arn::account_of, scope::Scope},
    },
};

/// Kind, namespace and name of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StoreName {
    /// Its kind.
    pub kind: StoreKind,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.as_str(), self.name),
            None => write!(f, "{} {}", self.kind.as_str(), self.name),
        }
    }
}

/// A store of either kind.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// Its kind and name.
    pub name: StoreName,
    /// As whom it reads.
    pub identity: StoreIdentity,
    /// The access rules; `None` if everything is granted, or nothing is known of them.
    pub access: Option<Vec<AccessRule>>,
    /// What it puts before names and paths.
    pub prefix: String,
    /// Who decrypts.
    pub decryption: Decryption,
    region: Option<String>,
    status: StoreStatus,
}

/// Account and region where stores do not say them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
}

impl Store {
    /// A cluster store.
    pub(crate) fn of_cluster(store: &ClusterParameterStore) -> Self {
        let name = store.metadata.name.clone().unwrap_or_default();
        let name = StoreName { kind: StoreKind::ClusterParameterStore, namespace: None, name };
        Self {
            identity: StoreIdentity::of_cluster_store(store.spec.identity.as_ref()),
            access: Some(store.spec.access.clone()),
            prefix: store.spec.prefix.clone().unwrap_or_default(),
            decryption: store.spec.decryption.unwrap_or_default(),
            region: store.spec.region.clone(),
            status: store.status.clone().unwrap_or_default(),
            name,
        }
    }

    /// A store of a namespace.
    ///
    /// # Errors
    /// A sentence, if it names no identity.
    pub(crate) fn of_namespace(store: &ParameterStore) -> Result<Self, String> {
        let namespace = store.metadata.namespace.clone().unwrap_or_default();
        let name = store.metadata.name.clone().unwrap_or_default();
        let identity = StoreIdentity::of_store(&namespace, &store.spec.identity);
        Ok(Self {
            identity: identity.map_err(|fault| format!("ParameterStore {namespace}/{name}: {}", fault.message))?,
            access: None,
            prefix: store.spec.prefix.clone().unwrap_or_default(),
            decryption: store.spec.decryption.unwrap_or_default(),
            region: store.spec.region.clone(),
            status: store.status.clone().unwrap_or_default(),
            name: StoreName { kind: StoreKind::ParameterStore, namespace: Some(namespace), name },
        })
    }

    /// What is assumed of a store that is not known.
    pub(crate) fn assumed(name: &StoreName) -> Self {
        Self {
            name: name.clone(),
            identity: StoreIdentity::of_cluster_store(None),
            access: None,
            prefix: String::new(),
            decryption: Decryption::default(),
            region: None,
            status: StoreStatus::default(),
        }
    }

    /// Returns the place that the store reads from, with words to replace where it is not known.
    pub(crate) fn scope(&self, place: &Place) -> Scope {
        let status = self.status.identity.as_ref();
        let role = self.identity.roles.last().map(|role| role.role_arn.as_str());
        let region = self.region.clone().or_else(|| place.region.clone()).or_else(|| self.status.region.clone());
        let region = region.unwrap_or_else(|| "REGION".to_owned());
        let account = role.and_then(account_of).map(str::to_owned);
        let account = account.or_else(|| place.account.clone()).or_else(|| Some(status?.account.clone()));
        let arn = role.or_else(|| Some(status?.arn.as_str()));
        let partition = arn.and_then(|arn| arn.split(':').nth(1)).unwrap_or_else(|| partition_of(&region));
        Scope { partition: partition.to_owned(), account: account.unwrap_or_else(|| "ACCOUNT".to_owned()), region }
    }

    /// Returns the ARN of who reads, or of who assumes the first role, with words to replace where it is not known.
    pub(crate) fn first_principal(&self, scope: &Scope) -> String {
        if self.identity.roles.is_empty()
            && let Some(status) = &self.status.identity
        {
            return role_of_session(&status.arn);
        }
        let account = if self.identity.roles.is_empty() { scope.account.as_str() } else { "ACCOUNT" };
        let name = match &self.identity.source {
            CredentialSource::Operator => "role/ROLE-OF-THE-OPERATOR",
            CredentialSource::ServiceAccount { .. } => "role/ROLE-OF-THE-SERVICE-ACCOUNT",
            CredentialSource::Secret { .. } => "user/OWNER-OF-THE-ACCESS-KEY",
        };
        format!("arn:{}:iam::{account}:{name}", scope.partition)
    }

    /// Describes the identity in words. `namespace` is the one that reads, if each has a role of its own.
    pub(crate) fn describe_identity(&self, namespace: Option<&str>) -> String {
        let source = match &self.identity.source {
            CredentialSource::Operator => "the operator's own identity".to_owned(),
            CredentialSource::ServiceAccount { namespace, name, .. } => format!("ServiceAccount {namespace}/{name}"),
            CredentialSource::Secret { namespace, name, .. } => format!("the access key in Secret {namespace}/{name}"),
        };
        self.identity.roles.iter().fold(source, |chain, role| {
            let role = namespace.map_or_else(
                || role.role_arn.clone(),
                |namespace| role.role_arn.replace(crate::api::NAMESPACE_PLACEHOLDER, namespace),
            );
            format!("{chain}, then {role}")
        })
    }
}

/// Returns the partition of a region (AWS General Reference, "Amazon Resource Names").
fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}
