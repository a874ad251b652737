//! The two kinds of stores: where parameters are read, and with which identity.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    endpoints::Endpoints,
    identity::{ClusterIdentity, NamespacedIdentity},
    interval::Interval,
    label_selector::SelectorSchema,
    rules,
    schema::{AccessGlob, EncryptionKeyGlob, KmsKeyGlob, NamespaceName},
    status::StoreStatus,
};

/// Requests a second to Parameter Store where no store of the account and region says otherwise: a quarter of the
/// account's default quota of 40 (AWS General Reference, Systems Manager quotas).
pub const DEFAULT_REQUESTS_PER_SECOND: i32 = 10;

/// The time after which a value that did not change is decrypted again, where the store does not say.
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
    doc = "A ClusterParameterStore says where parameters are read, with which identity, and which namespaces may read which of them.",
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
#[x_kube(validation = rules::endpoints_or_kinds())]
pub struct ClusterParameterStoreSpec {
    /// The AWS region, for example `eu-central-1`. Default: from the operator's environment, as every AWS tool finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::region())]
    pub region: Option<String>,

    /// Whether the endpoints are those that AWS validates under FIPS 140. AWS has them in the United States, Canada and
    /// GovCloud. Default: from the operator's environment (`AWS_USE_FIPS_ENDPOINT`), else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fips: Option<bool>,

    /// Whether the endpoints are those with IPv4 and IPv6. Default: from the operator's environment
    /// (`AWS_USE_DUALSTACK_ENDPOINT`), else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_stack: Option<bool>,

    /// Endpoints to use instead of those of AWS. The operator takes them only with `--allow-custom-endpoints`, and never
    /// link-local addresses. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,

    /// Text that is put before every name and path in Parameter Store, for example `/prod`, so that the same manifests serve
    /// every environment. ARNs, and names below `/aws/`, stay as they are. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::name_prefix())]
    pub prefix: Option<String>,

    /// The identity to read with. Default: the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ClusterIdentity>,

    /// Who decrypts. `ViaSSM`: Parameter Store does, on behalf of the reader. `Direct`: the operator asks KMS itself, which
    /// shows in status and audit which key was used; where KMS refuses (keys that AWS manages, parameters of the advanced
    /// tier), Parameter Store decrypts. Default: `ViaSSM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Decryption")]
    pub decryption: Option<Decryption>,

    /// How often values that did not change are decrypted again, to prove that access still stands: from `10s` to `720h`, or
    /// `0s` for never. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::interval("revalidateInterval", "never", "720h"))]
    pub revalidate_interval: Option<Interval>,

    /// Rules that grant parameters to namespaces. What no rule grants is denied. Default: none, nobody reads anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub access: Vec<AccessRule>,

    /// The share of the account's Parameter Store quota that the operator may use. Default: 10 requests a second.
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
    doc = "A ParameterStore says where the SecureParameters of its namespace read, with an identity that the namespace brings itself.",
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
    /// The AWS region, for example `eu-central-1`. Default: from the operator's environment, as every AWS tool finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::region())]
    pub region: Option<String>,

    /// Whether the endpoints are those that AWS validates under FIPS 140. AWS has them in the United States, Canada and
    /// GovCloud. Default: from the operator's environment (`AWS_USE_FIPS_ENDPOINT`), else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fips: Option<bool>,

    /// Whether the endpoints are those with IPv4 and IPv6. Default: from the operator's environment
    /// (`AWS_USE_DUALSTACK_ENDPOINT`), else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_stack: Option<bool>,

    /// Text that is put before every name and path in Parameter Store, for example `/prod`, so that the same manifests serve
    /// every environment. ARNs, and names below `/aws/`, stay as they are. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::name_prefix())]
    pub prefix: Option<String>,

    /// The identity to read with. A namespaced store never uses the operator's own.
    pub identity: NamespacedIdentity,

    /// Who decrypts. `ViaSSM`: Parameter Store does, on behalf of the reader. `Direct`: the operator asks KMS itself, which
    /// shows in status and audit which key was used; where KMS refuses (keys that AWS manages, parameters of the advanced
    /// tier), Parameter Store decrypts. Default: `ViaSSM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Decryption")]
    pub decryption: Option<Decryption>,

    /// How often values that did not change are decrypted again, to prove that access still stands: from `10s` to `720h`, or
    /// `0s` for never. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::interval("revalidateInterval", "never", "720h"))]
    pub revalidate_interval: Option<Interval>,
}

/// Who decrypts values.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decryption {
    /// Parameter Store, on behalf of the reader.
    #[default]
    #[serde(rename = "ViaSSM")]
    ViaSsm,
    /// KMS, asked by the operator.
    Direct,
}

/// A rule that grants parameters to namespaces.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessRule {
    /// The name of the rule, for messages and for patches.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label_name())]
    pub name: String,

    /// The namespaces that the rule is for.
    pub namespaces: NamespaceMatch,

    /// Globs on the full name of a parameter of the store's account and region, the store's `prefix` included, or on its
    /// ARN, which parameters of other accounts need. `*` stops at `/`, `**` as a whole segment does not. `{namespace}` as a
    /// whole segment stands for the namespace of the reading object.
    #[schemars(with = "Vec<AccessGlob>", length(min = 1, max = 32))]
    pub parameters: Vec<String>,

    /// Globs on the KMS keys that must encrypt these parameters, for example `alias/{namespace}` or
    /// `arn:aws:kms:eu-central-1:111122223333:key/*`. `alias/` stands for the store's own account and region. A value whose
    /// key none of them matches, or whose key is not known, is refused, and so is one that is not encrypted. Default: none,
    /// every key is accepted, and values that are not encrypted too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<EncryptionKeyGlob>", length(max = 32))]
    pub kms_keys: Vec<String>,

    /// Globs on the KMS keys that `kmsDecrypt` of these namespaces may use, as its `keyID` names them, for example
    /// `alias/{namespace}`. `*` alone stands for every key, also where there is no `keyID`. Default: none, `kmsDecrypt` is
    /// refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<KmsKeyGlob>", length(max = 32))]
    pub kms_decrypt_keys: Vec<String>,
}

/// A choice of namespaces.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.names) == (self.from == 'Names')").message("names belongs to from: Names, which needs it"),
    validation = Rule::new("has(self.selector) == (self.from == 'Selector')").message("selector belongs to from: Selector, which needs it"),
)]
pub struct NamespaceMatch {
    /// How namespaces are chosen. `All`: every namespace. `Names`: those in `names`. `Selector`: those that `selector`
    /// selects.
    pub from: NamespacesFrom,

    /// The names of the namespaces, with `from: Names`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<NamespaceName>>", length(min = 1, max = 256))]
    pub names: Option<Vec<String>>,

    /// The labels of the namespaces, with `from: Selector`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SelectorSchema>")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespacesFrom {
    /// Every namespace.
    All,
    /// Namespaces by name.
    #[default]
    Names,
    /// Namespaces by label.
    Selector,
}

/// Share of the account's Parameter Store quota.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The requests a second that may be made to Parameter Store. If several cluster stores of one account and region
    /// differ, the lowest counts.
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: i32,
}
