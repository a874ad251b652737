//! What the operator reports on its objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    condition::{Condition, ConditionStatus, ConditionType, find},
    reason::Reason,
    shared_text::SharedText,
    store_ref::StoreKind,
};

/// How many parameters the status lists; the rest is counted.
pub const LISTED_PARAMETERS: usize = 50;

/// How many keys of the Secret the status lists for each parameter.
pub const LISTED_KEYS: usize = 50;

/// Status of a `SecureParameter`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecureParameterStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` is always present; `Reconciling`, `Stalled` and `Suspended` only while true; `Restarted` once a restart of
    /// workloads was due.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The store in use, also when the spec leaves it to the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<ResolvedStore>,

    /// The Secret as last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretStatus>,

    /// The first 50 parameters behind the Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub parameters: Vec<ParameterStatus>,

    /// The number of parameters behind the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_count: Option<i32>,

    /// When the Secret's content last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change_time: Option<Time>,

    /// The last decrypting access that came with another change of this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_access: Option<LastAccess>,

    /// The first 256 characters of the annotation `secureparameter.io/sync` whose sync was last done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_handled_sync: Option<String>,

    /// What the operator remembers across restarts. It is not meant for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

impl SecureParameterStatus {
    /// Reports whether the operator ever wrote it. Before that it is the default of the definition.
    pub const fn is_reported(&self) -> bool {
        self.observed_generation.is_some()
    }

    /// Gives back memory that its lists do not need. Room for one more of them is as large as what they hold.
    pub fn shrink_to_fit(&mut self) {
        self.conditions.shrink_to_fit();
        self.parameters.shrink_to_fit();
        self.parameters.iter_mut().for_each(|parameter| parameter.keys.shrink_to_fit());
    }

    /// Hands over each text that other objects may have too.
    pub fn for_each_text(&mut self, mut f: impl FnMut(&mut SharedText)) {
        self.conditions.iter_mut().flat_map(|c| [&mut c.type_, &mut c.reason]).for_each(&mut f);
        self.store.iter_mut().for_each(|store| f(&mut store.name));
        for parameter in &mut self.parameters {
            f(&mut parameter.type_);
            parameter.key_arn.iter_mut().chain(&mut parameter.key_manager).for_each(&mut f);
        }
        if let Some(access) = &mut self.last_access {
            f(&mut access.event_name);
            access.principal.iter_mut().for_each(f);
        }
    }

    /// The condition of this type, if present.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        find(&self.conditions, type_)
    }

    /// The reason of `Ready`, if it is one of ours.
    pub fn ready_reason(&self) -> Option<Reason> {
        self.condition(ConditionType::Ready).and_then(Condition::known_reason)
    }

    /// Reports whether `Ready` is true.
    pub fn is_ready(&self) -> bool {
        self.condition(ConditionType::Ready).is_some_and(|ready| ready.status == ConditionStatus::True)
    }

    /// The Secret as last written, with its identity.
    pub fn written_secret(&self) -> Option<WrittenSecret> {
        let (secret, observed) = (self.secret.as_ref()?, self.observed.as_ref()?.secret.as_ref()?);
        Some(WrittenSecret {
            name: secret.name.clone(),
            keys: secret.keys,
            uid: observed.uid.clone(),
            resource_version: observed.resource_version.clone(),
        })
    }

    /// The revision of the parameters that the Secret was last written from.
    pub fn source_revision(&self) -> Option<&str> {
        self.observed.as_ref()?.source_revision.as_deref()
    }
}

/// A Secret as last written, as the status records it in `secret` and `observed.secret`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenSecret {
    /// Name of the Secret, in the object's namespace.
    pub name: String,
    /// The number of keys that were written.
    pub keys: i32,
    /// Its uid.
    pub uid: String,
    /// Its resource version right after the operator's last write.
    pub resource_version: String,
}

/// The Secret of an object.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Name of the Secret, in the object's namespace.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The number of keys that the operator wrote.
    pub keys: i32,
}

/// What the operator remembers of an object across restarts. Contains nothing derived from a value.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Digest of the store, the identity and the parameters' ARNs, selectors, versions and modification times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub source_revision: Option<String>,
    /// The Secret as last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<ObservedSecret>,
    /// The change that workloads are restarted for: name of the Secret and its resource version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub restart: Option<String>,
}

/// Identity of a written Secret.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedSecret {
    /// Its uid.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its resource version right after the operator's last write.
    #[schemars(length(max = 64))]
    pub resource_version: String,
}

/// The store that serves an object.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedStore {
    /// Kind of the store.
    pub kind: StoreKind,
    /// Name of the store.
    #[schemars(length(max = 253))]
    pub name: SharedText,
}

/// One parameter behind the Secret.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterStatus {
    /// ARN of the parameter.
    #[schemars(length(max = 2048))]
    pub arn: String,
    /// Version that was read.
    pub version: i64,
    /// The label that selected the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub label: Option<String>,
    /// When that version was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_time: Option<Time>,
    /// `SecureString`, `String` or `StringList`.
    #[serde(rename = "type")]
    #[schemars(length(max = 32))]
    pub type_: SharedText,
    /// ARN of the KMS key that encrypts that version, where the operator may know it.
    #[serde(default, rename = "keyARN", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub key_arn: Option<SharedText>,
    /// Who manages that key, where the operator may know it: `AWS` or `CUSTOMER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub key_manager: Option<SharedText>,
    /// The first 50 keys of the Secret whose values come from this parameter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 253)))]
    pub keys: Vec<String>,
}

/// A decrypting access, as CloudTrail names it.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastAccess {
    /// When AWS answered.
    pub time: Time,
    /// The API operation.
    #[schemars(length(max = 64))]
    pub event_name: SharedText,
    /// AWS' request id: joins this access to its CloudTrail record.
    #[serde(default, rename = "requestID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub request_id: Option<String>,
    /// ARN of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub principal: Option<SharedText>,
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

    /// As whom the store reads, as STS says it. Where each namespace has a session of its own, the role of these sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<CallerIdentityStatus>,

    /// The region in use, also when the spec leaves it to the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub region: Option<String>,

    /// How many SecureParameters read from this store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<i32>,

    /// How many sessions are open, where each reading namespace has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<i32>,

    /// How fast the operator calls Parameter Store in this account and region, for all its stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaStatus>,

    /// What does not keep the store from reading but needs attention: keys that cannot be used, sessions that could not be
    /// opened, session policies that are wider than the access rules, what AWS denies to objects. The first 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 1000)))]
    pub warnings: Vec<String>,
}

/// How many warnings a store lists.
pub const LISTED_WARNINGS: usize = 16;

/// How fast an account and region are called.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaStatus {
    /// Requests a second that the stores of the account and region allow, times the operator's `--quota-share`, rounded up.
    pub requests_per_second: i32,
    /// Requests a second at present, rounded up: fewer while AWS throttles.
    pub current_requests_per_second: i32,
    /// Since when AWS throttles. Absent while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_since: Option<Time>,
    /// The seconds that it takes to check all polled parameters of this store once at the present rate. Shorter refresh
    /// intervals cannot be kept. Absent while nothing is polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_seconds: Option<i32>,
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
