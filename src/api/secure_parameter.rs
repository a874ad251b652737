//! `SecureParameter`: which parameters become which Secret.

use std::{collections::BTreeMap, time::Duration};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DataEntry, DataFromEntry, Interval,
    patterns::{DNS_SUBDOMAIN, LABEL_VALUE, qualified_keys, zero_or_up_to},
    status::SecureParameterStatus,
    store::LabelSelector,
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

    /// While true, nothing is read from AWS, nothing is written and nothing is deleted. Default: false.
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

/// Reference to the store of a `SecureParameter`.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreRef {
    /// Kind of the store: `ClusterParameterStore` or, in the same namespace, `ParameterStore`. Default:
    /// `ClusterParameterStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StoreKind")]
    pub kind: Option<StoreKind>,

    /// Name of the store. Default: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: Option<String>,
}

/// The two kinds of stores.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StoreKind {
    /// Cluster-wide store of the platform team.
    #[default]
    ClusterParameterStore,
    /// Store of one namespace, with an identity of its own.
    ParameterStore,
}

impl StoreKind {
    /// The kind as Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterParameterStore => "ClusterParameterStore",
            Self::ParameterStore => "ParameterStore",
        }
    }
}

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
pub(super) struct BoundedMap<const LENGTH: usize>;

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

/// Workloads to restart.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.name) != has(self.selector)").message("exactly one of name and selector must be set"))]
pub struct RestartTarget {
    /// Kind of the workloads.
    pub kind: WorkloadKind,

    /// Name of the workload. This or `selector` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub name: Option<String>,

    /// Labels of the workloads. This or `name` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
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
