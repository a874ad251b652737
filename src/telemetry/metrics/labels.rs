//! The labels of metrics. Their values come from closed lists, or are stores, accounts and regions, never objects or
//! parameters, so that their number is bounded.

use prometheus_client::encoding::EncodeLabelSet;

use crate::domain::aws_error::AwsErrorKind;

/// The kinds that are reconciled.
pub(super) const KINDS: [&str; 3] = ["SecureParameter", "ClusterParameterStore", "ParameterStore"];

/// The AWS operations that the operator calls.
pub(super) const OPERATIONS: [&str; 8] = [
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "Decrypt",
    "DescribeKey",
    "DescribeParameters",
    "GetCallerIdentity",
    "GetParameters",
    "GetParametersByPath",
];

/// The outcome of a call that succeeded.
pub(super) const OK: &str = "OK";

/// The reason of a reconcile whose status could not be written, in metrics and in the log. Not one of the closed list, since no
/// status can show it.
pub(crate) const STATUS_WRITE_FAILED: &str = "StatusWriteFailed";

/// Where objects wait: in the queue, and after that for a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Until there is room to reconcile the object.
    Queue,
    /// For a slot of its namespace.
    Slot,
}

impl Wait {
    pub(super) const ALL: [Self; 2] = [Self::Queue, Self::Slot];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "Queue",
            Self::Slot => "Slot",
        }
    }
}

/// How the lead of this process changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LeadChange {
    /// It became the leader.
    Acquired,
    /// It does not lead any more.
    Lost,
}

impl LeadChange {
    pub(super) const ALL: [Self; 2] = [Self::Acquired, Self::Lost];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Acquired => "Acquired",
            Self::Lost => "Lost",
        }
    }
}

/// Returns the label of an outcome of an AWS call.
pub(super) const fn outcome(error: Option<AwsErrorKind>) -> &'static str {
    match error {
        None => OK,
        // Its reason would blame a spec.
        Some(AwsErrorKind::Invalid) => "InvalidRequest",
        Some(kind) => kind.reason().as_str(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReconcileLabels {
    pub(super) kind: &'static str,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabel {
    pub(super) operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WatchLabel {
    pub(super) watch: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LimitLabel {
    pub(super) limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CauseLabel {
    pub(super) cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ChangeLabel {
    pub(super) change: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WaitLabel {
    pub(super) wait: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct QuotaLabel {
    pub(super) quota: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RegionLabels {
    pub(super) account: String,
    pub(super) region: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RegionQuotaLabels {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) quota: &'static str,
}

/// A store. The names of the labels are none that Prometheus sets on what it scrapes, as `namespace` is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "they are the names of the labels")]
pub(super) struct StoreLabels {
    pub(super) store_kind: &'static str,
    pub(super) store_namespace: String,
    pub(super) store_name: String,
}
