//! `SecureParameter`: which parameters become which Secret.

use std::time::Duration;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::api::{
    DataEntry, DataFromEntry, Interval,
    patterns::zero_or_up_to,
    restart::RestartTarget,
    status::SecureParameterStatus,
    store_ref::{StoreKind, StoreRef},
    target::{CreationPolicy, ReclaimPolicy, Target},
};

/// How stale a change may be noticed by polling where the spec does not say.
pub const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(300);

/// Name of the store that is used where the spec names none.
pub const DEFAULT_STORE: &str = "default";

/// Parameters of AWS Parameter Store that become one native Secret.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "secureparameter.io",
    version = "v1alpha1",
    kind = "SecureParameter",
    plural = "secureparameters",
    shortname = "sparam",
    category = "aws-parameters",
    namespaced,
    status = "SecureParameterStatus",
    derive = "PartialEq",
    doc = "A SecureParameter turns parameters of AWS Systems Manager Parameter Store into one native Secret and keeps it current.",
    selectable = ".status.secret.name",
    selectable = ".status.store.name",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secret.name"),
    printcolumn(name = "Store", type_ = "string", json_path = ".status.store.name"),
    printcolumn(name = "Changed", type_ = "date", json_path = ".status.lastChangeTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.data) && size(self.data) > 0) || (has(self.dataFrom) && size(self.dataFrom) > 0)")
        .message("data or dataFrom must have an entry"),
)]
pub struct SecureParameterSpec {
    /// The store to read from. Default: the `ClusterParameterStore` named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<StoreRef>,

    /// How stale a change in Parameter Store may be noticed by polling, for example `5m`. Between `10s` and `168h`,
    /// or `0s` for no polling. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(zero_or_up_to("168h")).message("refreshInterval must be 0s (no polling) or between 10s and 168h, written like 90s, 5m or 1h30m"))]
    pub refresh_interval: Option<Interval>,

    /// While true, nothing is read from AWS and nothing is written. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// Keys of the Secret, each with the parameter that its value comes from. This or `dataFrom` must have an entry.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub data: Vec<DataEntry>,

    /// Parameters that become several keys of the Secret each. No two sources may give the same key. Default:
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub data_from: Vec<DataFromEntry>,

    /// The Secret to write. Default: an `Opaque` Secret with the name of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,

    /// Workloads of this namespace whose pods are replaced when the content of the Secret changed: not when it is written
    /// for the first time, and once for changes that follow each other closely. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub restart: Vec<RestartTarget>,
}

impl SecureParameterSpec {
    /// Kind and name of the store, defaults filled in.
    pub fn store(&self) -> (StoreKind, &str) {
        self.store_ref.as_ref().map_or((StoreKind::default(), DEFAULT_STORE), |store| {
            (store.kind.unwrap_or_default(), store.name.as_deref().unwrap_or(DEFAULT_STORE))
        })
    }

    /// The polling interval, default filled in; `None` for `0s`.
    pub fn refresh_interval(&self) -> Option<Duration> {
        let interval = self.refresh_interval.as_ref().and_then(Interval::parse);
        Some(interval.unwrap_or(DEFAULT_REFRESH_INTERVAL)).filter(|d| !d.is_zero())
    }

    /// Type of the Secret, default filled in.
    pub fn secret_type(&self) -> &str {
        self.target.as_ref().and_then(|target| target.type_.as_deref()).unwrap_or("Opaque")
    }

    /// Whether reconciling is suspended.
    pub fn is_suspended(&self) -> bool {
        self.suspend.unwrap_or_default()
    }

    /// Whether the Secret is one that others made.
    pub fn merges(&self) -> bool {
        self.target.as_ref().and_then(|target| target.creation_policy) == Some(CreationPolicy::Merge)
    }

    /// What becomes of the Secret when the object goes.
    pub fn reclaim_policy(&self) -> ReclaimPolicy {
        self.target.as_ref().and_then(|t| t.reclaim_policy).unwrap_or_default()
    }
}

impl SecureParameter {
    /// Name of the Secret, default filled in.
    pub fn secret_name(&self) -> &str {
        let target = self.spec.target.as_ref().and_then(|t| t.name.as_deref());
        target.unwrap_or_else(|| self.metadata.name.as_deref().unwrap_or_default())
    }
}
