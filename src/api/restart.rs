//! The workloads that are restarted when the content of the Secret changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{label_selector::SelectorSchema, rules};

/// Workloads to restart.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.name) != has(self.selector)").message("exactly one of name and selector must be set"),
    validation = Rule::new("(has(self.group) && self.group == 'argoproj.io') == (self.kind == 'Rollout')").message("kind Rollout belongs to group argoproj.io, and every other kind to group apps"),
)]
pub struct RestartTarget {
    /// The API group of the workloads: `apps`, or `argoproj.io` for a Rollout of Argo Rollouts. Default: `apps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WorkloadGroup")]
    pub group: Option<WorkloadGroup>,

    /// The kind of the workloads.
    pub kind: WorkloadKind,

    /// The name of the workload. This or `selector` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: Option<String>,

    /// The labels of the workloads. This or `name` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SelectorSchema>")]
    pub selector: Option<LabelSelector>,
}

/// The API groups of workloads that can be restarted.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkloadGroup {
    /// The group of Kubernetes itself.
    #[serde(rename = "apps")]
    Apps,
    /// The group of Argo Rollouts.
    #[serde(rename = "argoproj.io")]
    Argo,
}

/// The kinds of workloads that can be restarted.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `argoproj.io/v1alpha1` Rollout.
    Rollout,
}
