//! Stores: where and as whom to read.

use std::time::Duration;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Interval,
    label_selector::LabelSelector,
    patterns::{DNS_LABEL, DNS_SUBDOMAIN, zero_or_up_to},
    status::StoreStatus,
};

/// Requests a second to Parameter Store where no store of the account and region says otherwise: a quarter of the
/// account's default quota of 40 (AWS General Reference, Systems Manager quotas).
pub const DEFAULT_REQUESTS_PER_SECOND: i32 = 10;

/// How often values that did not change are decrypted again where the store does not say.
pub const DEFAULT_REVALIDATE_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// A store of the platform team.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "secureparameter.io",
    version = "v1alpha1",
    kind = "ClusterParameterStore",
    plural = "clusterparameterstores",
    shortname = "cpstore",
    category = "aws-parameters",
    status = "StoreStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A ClusterParameterStore says where and as whom parameters are read, and which namespaces may read which of them.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.identity.account"),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.region"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterParameterStoreSpec {
    /// AWS region, for example `eu-central-1`. Default: from the operator's environment, as every AWS tool finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z]{2,5}(-[a-z0-9]+)+$"))]
    pub region: Option<String>,

    /// As whom to read. Default: the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ClusterIdentity>,

    /// Who decrypts: Parameter Store on the reader's behalf (`ViaSsm`), or KMS itself (`Direct`), which shows in status and
    /// audit which key was used. KMS refuses keys that AWS manages and parameters of the advanced tier: these are
    /// decrypted by Parameter Store in either case. Default: `ViaSsm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Decryption")]
    pub decryption: Option<Decryption>,

    /// How often values that did not change are decrypted again, to prove that access still stands: `0s` (never), or
    /// from `10s` to `720h`. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(zero_or_up_to("720h")).message("revalidateInterval must be 0s (never) or between 10s and 720h, written like 90m or 24h"))]
    pub revalidate_interval: Option<Interval>,

    /// Which namespaces may read which parameters. What no rule grants is denied. Default: none, nobody
    /// reads anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub access: Vec<AccessRule>,

    /// Share of the account's Parameter Store quota that the operator may use. Default: 10 requests a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
}

/// A store of a tenant who brings an identity of their own.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "secureparameter.io",
    version = "v1alpha1",
    kind = "ParameterStore",
    plural = "parameterstores",
    shortname = "pstore",
    category = "aws-parameters",
    namespaced,
    status = "StoreStatus",
    derive = "PartialEq",
    doc = "A ParameterStore says where and as whom the SecureParameters of its namespace read, with an identity that the namespace brings itself.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.identity.account"),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.region"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ParameterStoreSpec {
    /// AWS region, for example `eu-central-1`. Default: from the operator's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z]{2,5}(-[a-z0-9]+)+$"))]
    pub region: Option<String>,

    /// As whom to read. A namespaced store never uses the operator's own identity.
    pub identity: NamespacedIdentity,

    /// Who decrypts: Parameter Store on the reader's behalf (`ViaSsm`), or KMS itself (`Direct`), which shows in status and
    /// audit which key was used. KMS refuses keys that AWS manages and parameters of the advanced tier: these are
    /// decrypted by Parameter Store in either case. Default: `ViaSsm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Decryption")]
    pub decryption: Option<Decryption>,

    /// How often values that did not change are decrypted again, to prove that access still stands: `0s` (never), or
    /// from `10s` to `720h`. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(zero_or_up_to("720h")).message("revalidateInterval must be 0s (never) or between 10s and 720h, written like 90m or 24h"))]
    pub revalidate_interval: Option<Interval>,
}

/// Who decrypts values.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decryption {
    /// Parameter Store, on the reader's behalf.
    #[default]
    ViaSsm,
    /// KMS itself.
    Direct,
}

/// Identity of a cluster store.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterIdentity {
    /// A Secret with the keys `access-key-id`, `secret-access-key` and, for temporary credentials, `session-token`.
    pub credentials_secret_ref: NamespacedSecretRef,
}

/// Identity of a namespaced store.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedIdentity {
    /// A Secret of the store's namespace with the keys `access-key-id`, `secret-access-key` and, for temporary
    /// credentials, `session-token`.
    pub credentials_secret_ref: LocalSecretRef,
}

/// Reference to a Secret of any namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedSecretRef {
    /// Namespace of the Secret.
    #[schemars(length(min = 1, max = 63), regex(pattern = DNS_LABEL))]
    pub namespace: String,
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: String,
}

/// Reference to a Secret of the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: String,
}

/// Grants parameters to namespaces.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessRule {
    /// The namespaces that may read.
    pub namespaces: NamespaceMatch,

    /// Globs on the full name of a parameter of the store's account, or on the full ARN, which parameters of other
    /// accounts need. `*` stops at `/`, `**` as a whole segment does not; `{namespace}` as a whole segment stands for the
    /// namespace of the reading object.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 256), regex(pattern = r"^(/|\*\*/|arn:)[-a-zA-Z0-9_.:/*?{}]*$"))
    )]
    pub parameters: Vec<String>,

    /// KMS keys by which `kmsDecrypt` of these namespaces may have values decrypted, as its `keyId` names them: globs as
    /// for `parameters`, for example `alias/{namespace}`. `*` alone stands for every key, also where no `keyId` is given.
    /// Default: none, `kmsDecrypt` is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256), regex(pattern = "^[-a-zA-Z0-9_:/*?{}]+$")))]
    pub kms_decrypt_keys: Vec<String>,
}

/// Chooses namespaces: exactly one of its fields is set.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.names), has(self.selector), has(self.all) && self.all].exists_one(x, x)")
        .message("exactly one of names, selector and all: true must be set"),
)]
pub struct NamespaceMatch {
    /// Namespaces by name. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 63), regex(pattern = DNS_LABEL)))]
    pub names: Option<Vec<String>>,

    /// Namespaces by label. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,

    /// `true`: every namespace. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
}

/// Share of the account's Parameter Store quota.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Requests a second to Parameter Store. Where several cluster stores of one account and region say different
    /// things, the lowest counts.
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: i32,
}
