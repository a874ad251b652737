//! The Kubernetes contract: kinds, conditions, reasons, names of labels and annotations.
//!
//! The Rust types are the source; `crds/*.yaml` and `docs/reference.md` are generated from them by
//! `secure-parameter-operator crds`.

mod condition;
mod crds;
mod data;
mod interval;
mod label_selector;
pub mod names;
mod patterns;
mod reason;
mod reference;
mod restart;
mod secure_parameter;
pub mod status;
mod store;
mod store_ref;
mod target;
pub mod time;

pub use condition::{Condition, ConditionStatus, ConditionType, Conditions, check_kstatus};
pub use crds::{crds, to_yaml};
pub use data::{
    DataEntry, DataFromEntry, Decode, Format, KeyFormat, KeyMapping, KmsDecrypt, ParameterSource, PathSource,
};
pub use interval::Interval;
pub use label_selector::{LabelRequirement, LabelSelector, SelectorOperator};
pub use reason::{Progress, Reason};
pub use reference::reference;
pub use restart::{RestartTarget, WorkloadKind};
pub use secure_parameter::{DEFAULT_REFRESH_INTERVAL, DEFAULT_STORE, SecureParameter, SecureParameterSpec};
pub use status::{SecureParameterStatus, StoreStatus};
pub use store::{
    AccessRule, ClusterIdentity, ClusterParameterStore, ClusterParameterStoreSpec, DEFAULT_REQUESTS_PER_SECOND,
    DEFAULT_REVALIDATE_INTERVAL, Decryption, LocalSecretRef, NamespaceMatch, NamespacedIdentity, NamespacedSecretRef,
    ParameterStore, ParameterStoreSpec, Quota,
};
pub use store_ref::{StoreKind, StoreRef};
pub use target::{CreationPolicy, ReclaimPolicy, Target, Template};
