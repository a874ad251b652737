//! The reference to a store.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// Name of the store that is used where the spec names none.
pub const DEFAULT_STORE: &str = "default";

/// Reference to the store of a `SecureParameter`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreRef {
    /// The kind of the store: `ClusterParameterStore`, or `ParameterStore` for one in the same namespace. Default:
    /// `ClusterParameterStore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StoreKind")]
    pub kind: Option<StoreKind>,

    /// The name of the store. Default: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: Option<String>,
}

/// The two kinds of stores.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StoreKind {
    /// A store of the whole cluster, which the platform team owns.
    #[default]
    ClusterParameterStore,
    /// A store of one namespace, with an identity of its own.
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
