//! As whom a store reads: a ServiceAccount, an access key, roles.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    identity_rules,
    interval::Interval,
    rules,
    schema::{Audience, SecretKeyName, SessionTags, TagKey},
};

/// Stands for the name of the reading namespace in the ARN of a role.
pub const NAMESPACE_PLACEHOLDER: &str = "{namespace}";

/// The identity of a cluster store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = identity_rules::one_source_of_credentials(),
    validation = identity_rules::session_policy_needs_session(),
    validation = identity_rules::chained_duration(),
)]
pub struct ClusterIdentity {
    /// A ServiceAccount whose tokens STS exchanges for a session of the role in its annotation `eks.amazonaws.com/role-arn`.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<NamespacedServiceAccountRef>,

    /// A Secret with an access key. Default: none, with neither of both the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NamespacedSecretRef>,

    /// Roles to assume one after the other, the first as the identity above. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub assume_roles: Vec<AssumeRole>,

    /// How AWS itself limits what the sessions of the last role may do. `None`: not at all. `FromAccess`: each namespace
    /// reads in a session of its own, which may read what `access` grants to that namespace. Default: `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SessionPolicy")]
    pub session_policy: Option<SessionPolicy>,
}

/// The identity of a namespaced store.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = identity_rules::own_source_of_credentials(),
    validation = identity_rules::one_source_of_credentials(),
    validation = identity_rules::chained_duration(),
)]
pub struct NamespacedIdentity {
    /// A ServiceAccount of the store's namespace whose tokens STS exchanges for a session of the role in its annotation
    /// `eks.amazonaws.com/role-arn`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<LocalServiceAccountRef>,

    /// A Secret of the store's namespace with an access key. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<LocalSecretRef>,

    /// Roles to assume one after the other, the first as the identity above. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub assume_roles: Vec<AssumeRole>,
}

/// How AWS limits the sessions of a store.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionPolicy {
    /// By the policies of the role alone.
    #[default]
    None,
    /// By what the access rules grant, too.
    FromAccess,
}

/// A role to assume.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = identity_rules::transitive_tags())]
pub struct AssumeRole {
    /// ARN of the role. `{namespace}` in it stands for the namespace of the reading object, so that each namespace has a role
    /// of its own.
    #[serde(rename = "roleARN")]
    #[schemars(length(min = 20, max = 512))]
    #[x_kube(validation = identity_rules::role_arn(), validation = identity_rules::role_placeholder())]
    pub role_arn: String,

    /// The external id that the trust policy of the role asks for. Default: none.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    #[x_kube(validation = identity_rules::external_id())]
    pub external_id: Option<String>,

    /// Whether the session carries the tags `kubernetes-namespace`, `kubernetes-store` and, if the operator knows the name of
    /// its cluster, `kubernetes-cluster`. Each namespace then has a session of its own. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_tags: Option<bool>,

    /// Further tags of the session. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "SessionTags")]
    #[x_kube(validation = identity_rules::session_tags())]
    pub tags: BTreeMap<String, String>,

    /// Keys of those tags that the sessions of later roles inherit. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<TagKey>", length(max = 20))]
    pub transitive_tag_keys: Vec<String>,

    /// The source identity of the session, which CloudTrail shows in every record, also of later roles. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64))]
    #[x_kube(validation = identity_rules::source_identity())]
    pub source_identity: Option<String>,

    /// How long a session lasts, from `15m` to `12h`; at most `1h` where one session assumes the next role. The operator
    /// renews sessions before they end. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = identity_rules::session_duration())]
    pub duration: Option<Interval>,
}

/// Reference to a ServiceAccount of any namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedServiceAccountRef {
    /// The namespace of the ServiceAccount.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label_name())]
    pub namespace: String,
    /// The name of the ServiceAccount.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// The audiences of its tokens. Default: that of the annotation `eks.amazonaws.com/audience`, else `sts.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Audience>", length(max = 4))]
    pub audiences: Vec<String>,
}

/// Reference to a ServiceAccount of the same namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalServiceAccountRef {
    /// The name of the ServiceAccount.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// The audiences of its tokens. Default: that of the annotation `eks.amazonaws.com/audience`, else `sts.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Audience>", length(max = 4))]
    pub audiences: Vec<String>,
}

/// Reference to a Secret of any namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedSecretRef {
    /// The namespace of the Secret.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label_name())]
    pub namespace: String,
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Under which keys the Secret holds the parts of the access key. Default: those that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<CredentialKeys>,
}

/// Reference to a Secret of the same namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecretRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Under which keys the Secret holds the parts of the access key. Default: those that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<CredentialKeys>,
}

/// The keys under which a Secret holds an access key.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialKeys {
    /// Key of the access key id. Default: `access-key-id`.
    #[serde(default, rename = "accessKeyID", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SecretKeyName>")]
    pub access_key_id: Option<String>,
    /// Key of the secret access key. Default: `secret-access-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SecretKeyName>")]
    pub secret_access_key: Option<String>,
    /// Key of the session token, which only temporary credentials have. Default: `session-token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SecretKeyName>")]
    pub session_token: Option<String>,
}
