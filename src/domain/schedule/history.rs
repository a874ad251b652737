//! The past of an object, as far as its next reconcile depends on it.

use std::sync::LazyLock;

use crate::{
    api::HasDefault,
    domain::schedule::{
        absence::Absence, correction_limit::CorrectionLimit, failures::Failures, repair_limit::RepairLimit,
        restart::RestartState, uptime::Uptime,
    },
};

/// What went on around an object. Most have none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
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

impl History {
    /// Notes a success. Returns the failures before it, and forgets what does not matter any more.
    pub(crate) fn succeeded(&mut self, now: Uptime) -> Failures {
        self.last_reported_access = None;
        self.corrections.forget_old(now);
        self.repairs.forget_old(now);
        std::mem::take(&mut self.failures)
    }
}

impl HasDefault for History {
    fn default_ref() -> &'static Self {
        static NOTHING: LazyLock<History> = LazyLock::new(History::default);
        &NOTHING
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::Sparse;

    #[test]
    fn trouble_that_is_over_takes_no_room() {
        let mut history = Sparse::<History>::default();
        history.failures.record(Timestamp::UNIX_EPOCH);
        history.last_reported_access = Some("id".to_owned());
        history.repairs.record(Duration::from_secs(1));
        history.corrections.decide(Duration::from_secs(1));
        history.succeeded(Duration::from_secs(2));
        history.shrink_to_fit();
        assert!(!history.is_default(), "more repairs may follow");
        history.succeeded(Duration::from_secs(120));
        history.shrink_to_fit();
        assert!(history.is_default());
    }
}
