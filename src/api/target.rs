//! The Secret that a `SecureParameter` becomes.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    rules,
    schema::{BoundedMap, LabelMap},
};

/// The Secret to write.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.creationPolicy) || self.creationPolicy != 'Merge' || !(has(self.type) || has(self.labels) || has(self.annotations) || has(self.immutable))").message("with creationPolicy Merge, the Secret keeps its own type, labels, annotations and immutable; remove these fields"))]
pub struct Target {
    /// The name of the Secret. Default: the name of the SecureParameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: Option<String>,

    /// The type of the Secret, for example `kubernetes.io/tls`. Types that hold tokens of the cluster are refused. Default:
    /// `Opaque`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self != 'kubernetes.io/service-account-token' && self != 'bootstrap.kubernetes.io/token'").message("a Secret of this type would grant access to the cluster itself"))]
    pub type_: Option<String>,

    /// Labels of the Secret. Labels by which GitOps tools track their objects are refused. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "LabelMap<64>")]
    #[x_kube(validation = rules::no_tracking("labels"), validation = rules::qualified_keys("labels"))]
    pub labels: BTreeMap<String, String>,

    /// Annotations of the Secret. Annotations by which GitOps tools track their objects are refused; others of theirs, for
    /// example `argocd.argoproj.io/sync-options`, are not. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BoundedMap<4096>")]
    #[x_kube(validation = rules::no_tracking("annotations"), validation = rules::qualified_keys("annotations"))]
    pub annotations: BTreeMap<String, String>,

    /// If true, nobody can change the data of the Secret, and Kubernetes need not watch it. A new value then makes the
    /// operator delete the Secret and create it again. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,

    /// Keys that are composed of others. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,

    /// `Owner`: the operator creates the Secret and owns all of it. `Merge`: the operator adds its keys to a Secret that
    /// exists and consents by the annotation `secureparameter.io/allow`. Default: `Owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CreationPolicy")]
    pub creation_policy: Option<CreationPolicy>,

    /// What happens to the Secret, or with `Merge` to the keys in it, when this object is deleted. `Delete`: it is deleted
    /// too. `Retain`: it stays. Default: `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ReclaimPolicy")]
    pub reclaim_policy: Option<ReclaimPolicy>,
}

/// Keys of the Secret that are composed of others.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// A template for each key, in the syntax of Jinja: `{{ DB_PASSWORD | urlencode }}` stands for the value of the key
    /// `DB_PASSWORD`, `{{ data["db.password"] }}` for one whose name is no identifier. Filters: `b64encode`, `b64decode`,
    /// `urlencode`, `tojson`, `fromjson`, `quote`, `indent`.
    #[schemars(with = "TemplateMap")]
    #[x_kube(validation = rules::secret_keys())]
    pub data: BTreeMap<String, String>,

    /// `Merge`: the templated keys are written beside the keys that they are composed of. `Replace`: only the templated keys
    /// are written. Default: `Merge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MergePolicy")]
    pub merge_policy: Option<MergePolicy>,
}

/// What happens to the keys that a template is composed of.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MergePolicy {
    /// They are written too.
    #[default]
    Merge,
    /// They are not written.
    Replace,
}

/// Schema of the templates.
struct TemplateMap;

impl JsonSchema for TemplateMap {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TemplateMap".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": 64,
            "additionalProperties": {"type": "string", "maxLength": 4096},
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// How the Secret is created.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreationPolicy {
    /// The operator creates the Secret and owns all of it.
    #[default]
    Owner,
    /// The operator adds keys to a Secret that exists and consents, and changes nothing else in it.
    Merge,
}

/// What happens to the Secret when its `SecureParameter` is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReclaimPolicy {
    /// The garbage collector of Kubernetes deletes it.
    #[default]
    Delete,
    /// It stays.
    Retain,
}
