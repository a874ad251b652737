//! What the operator reports on its objects.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Condition, ConditionType, condition::find, store_ref::StoreKind};

/// How many parameters the status lists; the rest is counted.
pub const LISTED_PARAMETERS: usize = 50;

/// Status of a `SecureParameter`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecureParameterStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` always; `Reconciling`, `Stalled` and `Suspended` only while true; `Restarted` once that was of concern.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The store in use, also when the spec leaves it to the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<ResolvedStore>,

    /// The Secret as last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<WrittenSecret>,

    /// Digest over store, identity and the parameters' ARNs, selectors, versions and modification times; no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub source_revision: Option<String>,

    /// The first 50 parameters behind the Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub parameters: Vec<ParameterStatus>,

    /// How many parameters there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_count: Option<i32>,

    /// When the Secret's content last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change_time: Option<Time>,

    /// The last decrypting access that is worth a status change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_access: Option<LastAccess>,

    /// What workloads are restarted for: the Secret, and the version with which its content last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub restart_token: Option<String>,

    /// The first 256 characters of the annotation `secureparameter.io/sync` whose sync was last done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_handled_sync: Option<String>,
}

impl SecureParameterStatus {
    /// Whether the operator ever wrote it; before that it is what the definition gives each new object.
    pub const fn is_reported(&self) -> bool {
        self.observed_generation.is_some()
    }

    /// The condition of this type, if present.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        find(&self.conditions, type_)
    }
}

/// The store that serves an object.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedStore {
    /// Kind of the store.
    pub kind: StoreKind,
    /// Name of the store.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// Identity of a written Secret.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenSecret {
    /// Name of the Secret, in the object's namespace.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its resource version right after the operator's last write.
    #[schemars(length(max = 64))]
    pub resource_version: String,
    /// How many keys it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_count: Option<i32>,
}

/// One parameter behind the Secret.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterStatus {
    /// Name or ARN as in the spec.
    #[schemars(length(max = 2048))]
    pub name: String,
    /// ARN of the parameter.
    #[schemars(length(max = 2048))]
    pub arn: String,
    /// Version that was read.
    pub version: i64,
    /// The label that chose the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub label: Option<String>,
    /// When that version was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_time: Option<Time>,
    /// `SecureString`, `String` or `StringList`.
    #[serde(rename = "type")]
    #[schemars(length(max = 32))]
    pub type_: String,
    /// ARN of the KMS key that encrypts that version, where the operator may know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub key_arn: Option<String>,
    /// Who manages that key, where the operator may know it: `AWS` or `CUSTOMER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub key_manager: Option<String>,
}

/// A decrypting access, as CloudTrail names it.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastAccess {
    /// When AWS answered.
    pub time: Time,
    /// The API operation.
    #[schemars(length(max = 64))]
    pub event_name: String,
    /// AWS' request id: joins this access to its CloudTrail record.
    #[serde(default, rename = "requestID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub request_id: Option<String>,
    /// ARN of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub principal: Option<String>,
}

/// Status of both kinds of stores.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` always; `Reconciling` and `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// As whom the store reads, by STS GetCallerIdentity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<CallerIdentityStatus>,

    /// The region in use, also when the spec leaves it to the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub region: Option<String>,

    /// How many SecureParameters read from this store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<i32>,

    /// Requests a second that the operator allows itself in this account and region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<i32>,
}

/// Who reads.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallerIdentityStatus {
    /// ARN of the principal.
    #[schemars(length(max = 2048))]
    pub arn: String,
    /// The AWS account.
    #[schemars(length(max = 12))]
    pub account: String,
}

/// `time` in whole seconds, as the Kubernetes API keeps it.
pub fn to_time(time: Timestamp) -> Time {
    let seconds = time.as_second();
    Time(Timestamp::from_second(seconds).unwrap_or(time))
}
