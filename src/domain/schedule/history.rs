//! What happened to an object before that its next reconcile depends on.

use std::sync::LazyLock;

use crate::{
    api::{HasDefault, Sparse},
    domain::schedule::{
        absence::Absence, correction_limit::CorrectionLimit, failures::Failures, repair_limit::RepairLimit,
        restart::RestartState,
    },
};

/// What happened to an object. To most, nothing did.
pub(crate) type History = Sparse<Happenings>;

/// What may have happened to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happenings {
    /// The corrections of a status that somebody else changed.
    pub corrections: CorrectionLimit,
    /// Restarts of workloads.
    pub restart: RestartState,
    /// Parameters that were missing.
    pub absence: Absence,
    /// Failures in a row.
    pub failures: Failures,
    /// The last repairs of the Secret.
    pub repairs: RepairLimit,
    /// Audit id of the last AWS call of the last failed attempt.
    pub last_reported_access: Option<String>,
}

impl HasDefault for Happenings {
    fn default_ref() -> &'static Self {
        static NOTHING: LazyLock<Happenings> = LazyLock::new(Happenings::default);
        &NOTHING
    }
}
