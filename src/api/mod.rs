//! The Kubernetes contract: kinds, conditions, reasons, names of labels and annotations.
//!
//! The Rust types are the source; `crds/*.yaml` and `docs/reference.md` are generated from them.

mod condition;
mod crds;
mod data;
mod endpoints;
mod identity;
mod identity_rules;
mod interval;
mod key_mapping;
#[cfg(test)]
pub(crate) mod kstatus;
mod label_selector;
pub mod names;
mod reason;
mod restart;
mod rules;
mod schema;
mod secure_parameter;
mod shared_status;
mod shared_text;
mod sparse;
pub mod status;
mod store;
mod store_ref;
mod target;
pub mod time;
pub(crate) mod tracking;

pub use condition::{Condition, ConditionStatus, ConditionType, Conditions};
pub use crds::{crds, to_yaml};
pub use data::{DataEntry, DataFromEntry, Decode, Format, KmsDecrypt, ValueOptions};
pub use endpoints::Endpoints;
pub use identity::{
    AssumeRole, ClusterIdentity, CredentialKeys, LocalSecretRef, LocalServiceAccountRef, NAMESPACE_PLACEHOLDER,
    NamespacedIdentity, NamespacedSecretRef, NamespacedServiceAccountRef, SessionPolicy,
};
pub use interval::Interval;
pub use key_mapping::{KeyConflicts, KeyMapping, KeyStyle};
pub use reason::{Progress, Reason};
pub use restart::{RestartTarget, WorkloadGroup, WorkloadKind};
pub use secure_parameter::{DEFAULT_REFRESH_INTERVAL, SecureParameter, SecureParameterSpec};
pub use shared_status::SharedStatus;
pub use shared_text::SharedText;
pub use sparse::{HasDefault, Sparse};
pub use status::{SecureParameterStatus, StoreStatus};
pub use store::{
    AccessRule, ClusterParameterStore, ClusterParameterStoreSpec, DEFAULT_REQUESTS_PER_SECOND,
    DEFAULT_REVALIDATE_INTERVAL, Decryption, NamespaceMatch, NamespacesFrom, ParameterStore, ParameterStoreSpec, Quota,
};
pub use store_ref::{DEFAULT_STORE, StoreKind, StoreRef};
pub use target::{CreationPolicy, MergePolicy, ReclaimPolicy, Target, Template};
