//! Label selectors.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::patterns::{LABEL_VALUE, QUALIFIED_NAME, qualified_keys};

/// A label selector as in the Kubernetes API, with bounds. An empty selector matches nothing here, so that a slip
/// never grants everything; say `all: true` for that.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)")
        .message("an empty selector selects nothing; give it matchLabels or matchExpressions"),
)]
pub struct LabelSelector {
    /// Labels that must all have these values. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SelectorLabels>")]
    #[x_kube(validation = Rule::new(qualified_keys()).message("the keys of labels are [prefix/]name, the name of up to 63 letters, digits, -, _ and ."))]
    pub match_labels: Option<std::collections::BTreeMap<String, String>>,

    /// Requirements that must all hold. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub match_expressions: Option<Vec<LabelRequirement>>,
}

/// Schema of `matchLabels`.
struct SelectorLabels;

impl JsonSchema for SelectorLabels {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SelectorLabels".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// One requirement of a label selector.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
        .message("values belong to In and NotIn, and only to them"),
)]
pub struct LabelRequirement {
    /// The label.
    #[schemars(length(min = 1, max = 317), regex(pattern = QUALIFIED_NAME))]
    pub key: String,
    /// How it relates to the values.
    pub operator: SelectorOperator,
    /// The values, for `In` and `NotIn`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 63), regex(pattern = LABEL_VALUE)))]
    pub values: Option<Vec<String>>,
}

/// Operators of label selectors.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectorOperator {
    /// The value is one of the listed.
    In,
    /// The value is none of the listed, or the label is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}
