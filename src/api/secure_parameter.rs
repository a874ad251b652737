//! `SecureParameter`: which parameters become which Secret.

use std::time::Duration;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::api::{
    data::{DataEntry, DataFromEntry},
    interval::Interval,
    key_mapping::KeyConflicts,
    restart::RestartTarget,
    rules,
    shared_status::SharedStatus,
    store_ref::{DEFAULT_STORE, StoreKind, StoreRef},
    target::{CreationPolicy, MergePolicy, ReclaimPolicy, Target},
};

/// The longest time until polling notices a change, where the spec does not say.
pub const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(300);

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
    status = "SharedStatus",
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

    /// The longest time until polling notices a change in Parameter Store, for example `5m`: from `10s` to `168h`, or `0s`
    /// for no polling. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::interval("refreshInterval", "no polling", "168h"))]
    pub refresh_interval: Option<Interval>,

    /// If true, the operator reads nothing from AWS, writes nothing and deletes nothing for this object. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// Single keys of the Secret, each with the parameter that holds its value. This or `dataFrom` must have an entry.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub data: Vec<DataEntry>,

    /// Sources of several keys each: the fields of one parameter, or the parameters below a path. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub data_from: Vec<DataFromEntry>,

    /// What happens if two sources give the same key. `Fail`: the object fails, and the last good Secret is kept.
    /// `LastWins`: a later entry of `dataFrom` overrides an earlier one, and `data` overrides them all. Default: `Fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyConflicts")]
    pub key_conflicts: Option<KeyConflicts>,

    /// The Secret to write. Default: an `Opaque` Secret with the name of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Box<Target>>,

    /// Workloads of this namespace whose pods are replaced after the content of the Secret changed. The first write restarts
    /// nothing, and changes that follow each other closely restart once. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub restart: Vec<RestartTarget>,
}

impl SecureParameterSpec {
    /// Returns kind and name of the store, defaults filled in.
    pub fn store(&self) -> (StoreKind, &str) {
        self.store_ref.as_ref().map_or((StoreKind::default(), DEFAULT_STORE), |store| {
            (store.kind.unwrap_or_default(), store.name.as_deref().unwrap_or(DEFAULT_STORE))
        })
    }

    /// Returns the polling interval, default filled in; `None` for `0s`.
    pub fn refresh_interval(&self) -> Option<Duration> {
        let interval = self.refresh_interval.as_ref().and_then(Interval::parse);
        Some(interval.unwrap_or(DEFAULT_REFRESH_INTERVAL)).filter(|d| !d.is_zero())
    }

    /// Returns the type of the Secret, default filled in.
    pub fn secret_type(&self) -> &str {
        self.target.as_ref().and_then(|target| target.type_.as_deref()).unwrap_or("Opaque")
    }

    /// Reports whether reconciling is suspended.
    pub fn is_suspended(&self) -> bool {
        self.suspend.unwrap_or_default()
    }

    /// Reports whether the keys go into a Secret that somebody else owns.
    pub fn merges(&self) -> bool {
        self.target.as_ref().and_then(|target| target.creation_policy) == Some(CreationPolicy::Merge)
    }

    /// Returns what happens to the Secret when the object is deleted, default filled in.
    pub fn reclaim_policy(&self) -> ReclaimPolicy {
        self.target.as_ref().and_then(|t| t.reclaim_policy).unwrap_or_default()
    }

    /// Returns what happens to the keys that templates are composed of, default filled in.
    pub fn merge_policy(&self) -> MergePolicy {
        let template = self.target.as_ref().and_then(|target| target.template.as_ref());
        template.and_then(|template| template.merge_policy).unwrap_or_default()
    }
}

impl SecureParameter {
    /// Returns the name of the Secret, default filled in.
    pub fn secret_name(&self) -> &str {
        let target = self.spec.target.as_ref().and_then(|t| t.name.as_deref());
        target.unwrap_or_else(|| self.metadata.name.as_deref().unwrap_or_default())
    }
}
