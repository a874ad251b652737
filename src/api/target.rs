//! The Secret that a `SecureParameter` is to become.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::patterns::{DNS_SUBDOMAIN, LABEL_VALUE, qualified_keys};

/// The Secret to write.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.creationPolicy) || self.creationPolicy != 'Merge' || !(has(self.type) || has(self.labels) || has(self.annotations) || has(self.immutable))").message("with creationPolicy Merge type, labels, annotations and immutable are those of the Secret that is there"))]
pub struct Target {
    /// Name of the Secret. Default: the name of the SecureParameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: Option<String>,

    /// Type of the Secret. Tokens of service accounts are refused. Default: `Opaque`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self != 'kubernetes.io/service-account-token' && self != 'bootstrap.kubernetes.io/token'").message("a Secret of this type would grant access to the cluster itself"))]
    pub type_: Option<String>,

    /// Labels for the Secret. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "LabelMap")]
    #[x_kube(validation = Rule::new("!self.exists(k, k.startsWith('secureparameter.io/') || k == 'app.kubernetes.io/instance' || k == 'app.kubernetes.io/managed-by' || k == 'argocd.argoproj.io/instance' || k.startsWith('kustomize.toolkit.fluxcd.io/') || k.startsWith('helm.toolkit.fluxcd.io/'))").message("labels of secureparameter.io and tracking labels of GitOps tools cannot be set on the Secret"), validation = Rule::new(qualified_keys()).message("the keys of labels are [prefix/]name, the name of up to 63 letters, digits, -, _ and ."))]
    pub labels: BTreeMap<String, String>,

    /// Annotations for the Secret. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BoundedMap<4096>")]
    #[x_kube(validation = Rule::new("!self.exists(k, k.startsWith('secureparameter.io/') || k.startsWith('argocd.argoproj.io/') || k.startsWith('kubectl.kubernetes.io/') || k.startsWith('meta.helm.sh/') || k == 'kubernetes.io/service-account.name')").message("annotations of secureparameter.io and tracking annotations of GitOps tools cannot be set on the Secret"), validation = Rule::new(qualified_keys()).message("the keys of annotations are [prefix/]name, the name of up to 63 letters, digits, -, _ and ."))]
    pub annotations: BTreeMap<String, String>,

    /// If true, nobody can change the Secret's data, and Kubernetes need not watch it. A new value then means a new Secret:
    /// the operator deletes the one there is and creates it again. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,

    /// Keys that are composed of others. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,

    /// How the Secret comes to be. `Owner`: the operator creates it and keeps it whole. `Merge`: the operator puts its keys
    /// into a Secret that others made, and that consents by the annotation `secureparameter.io/allow`. Default: `Owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CreationPolicy")]
    pub creation_policy: Option<CreationPolicy>,

    /// What becomes of the Secret when this object is deleted, or with `Merge` of its keys. `Delete`: they go too.
    /// `Retain`: they stay. Default: `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ReclaimPolicy")]
    pub reclaim_policy: Option<ReclaimPolicy>,
}

/// Keys of the Secret that are composed of others.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Per key a template in the syntax of Jinja: `{{ DB_PASSWORD | urlencode }}` stands for the value of the key
    /// `DB_PASSWORD`, `{{ data["db.password"] }}` for one whose name is no identifier. Filters: `b64encode`, `b64decode`,
    /// `urlencode`, `tojson`, `fromjson`, `quote`, `indent`.
    #[schemars(with = "TemplateMap")]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^[-._a-zA-Z0-9]{1,253}$') && k != '.' && !k.startsWith('..'))").message("a Secret's key may hold letters, digits, -, _ and . only, and must not be . or begin with .."))]
    pub data: BTreeMap<String, String>,

    /// If true, only these keys are written, and those that they are composed of are not. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<bool>,
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

/// Schema of a map of labels: values as Kubernetes takes them.
struct LabelMap;

impl JsonSchema for LabelMap {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LabelMap".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {
                "type": "string",
                "maxLength": 63,
                "pattern": LABEL_VALUE,
            },
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Schema of a map with bounded size and values of at most `LENGTH` characters.
pub(crate) struct BoundedMap<const LENGTH: usize>;

impl<const LENGTH: usize> JsonSchema for BoundedMap<LENGTH> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("BoundedMap{LENGTH}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {"type": "string", "maxLength": LENGTH},
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// How the Secret comes to be.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreationPolicy {
    /// The operator creates the Secret and keeps it whole.
    #[default]
    Owner,
    /// The operator puts keys into a Secret that exists and consents, and leaves all others alone.
    Merge,
}

/// What becomes of the Secret when its `SecureParameter` is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReclaimPolicy {
    /// Kubernetes' garbage collector removes it.
    #[default]
    Delete,
    /// It stays.
    Retain,
}
