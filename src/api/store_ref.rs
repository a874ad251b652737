//! References to stores.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::patterns::DNS_SUBDOMAIN;

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
