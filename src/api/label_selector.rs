//! The schema of label selectors. The type is that of Kubernetes; this bounds it, and refuses an empty selector.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{
    rules,
    schema::{LabelMap, LabelValue},
};

/// A label selector as in the Kubernetes API, with bounds. An empty selector selects nothing, so that a slip never grants
/// everything.
#[derive(KubeSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)")
        .message("an empty selector selects nothing; give it matchLabels or matchExpressions"),
)]
pub(super) struct SelectorSchema {
    /// The labels that must all be there with these values. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<LabelMap<16>>")]
    #[x_kube(validation = rules::qualified_keys("labels"))]
    match_labels: Option<BTreeMap<String, String>>,

    /// Requirements that must all be met. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    match_expressions: Option<Vec<RequirementSchema>>,
}

/// One requirement of a label selector.
#[derive(KubeSchema, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
        .message("values belong to In and NotIn, and only to them"),
)]
struct RequirementSchema {
    /// The key of the label.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = rules::label_key())]
    key: String,

    /// How the label relates to the values: `In`, `NotIn`, `Exists` or `DoesNotExist`.
    operator: OperatorSchema,

    /// The values, for `In` and `NotIn`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<LabelValue>>", length(max = 16))]
    values: Option<Vec<String>>,
}

/// The operators of label selectors.
#[derive(JsonSchema, Serialize)]
#[expect(dead_code, reason = "a schema only")]
enum OperatorSchema {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}
