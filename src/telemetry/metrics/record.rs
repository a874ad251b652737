//! What is counted when it happens.

use std::time::Duration;

use crate::{
    api::Reason,
    domain::{audit::AuditRecord, report::restart_summary::Rollout, schedule::decide::Purpose},
    telemetry::metrics::{
        Metrics,
        labels::{
            CallLabels, CauseLabel, ChangeLabel, KindLabel, LeadChange, OperationLabel, OutcomeLabel, QuotaLabel,
            ReconcileLabels, STATUS_WRITE_FAILED, Wait, WaitLabel, WatchLabel, outcome,
        },
    },
};

/// Counts a reconcile as one in progress, until it is dropped.
pub(crate) struct InProgress<'m> {
    metrics: &'m Metrics,
    kind: &'static str,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.metrics.in_progress.get_or_create(&KindLabel { kind: self.kind }).dec();
    }
}

impl Metrics {
    /// Counts a reconcile of an object of `kind` that begins.
    pub(crate) fn begin_reconcile(&self, kind: &'static str) -> InProgress<'_> {
        self.in_progress.get_or_create(&KindLabel { kind }).inc();
        InProgress { metrics: self, kind }
    }

    /// Counts a reconcile that ended. `reason` is `None` if the status could not be written.
    pub(crate) fn reconciled(&self, kind: &'static str, reason: Option<Reason>, duration: Duration) {
        let reason = reason.map_or(STATUS_WRITE_FAILED, Reason::as_str);
        self.reconciles.get_or_create(&ReconcileLabels { kind, reason }).inc();
        self.durations.get_or_create(&KindLabel { kind }).observe(duration.as_secs_f64());
    }

    /// Counts how long an object waited.
    pub(crate) fn object_waited(&self, wait: Wait, duration: Duration) {
        self.waits.get_or_create(&WaitLabel { wait: wait.as_str() }).observe(duration.as_secs_f64());
    }

    /// Counts an AWS call and the values that it decrypted.
    pub(crate) fn aws_call(&self, record: &AuditRecord) {
        let operation = record.event_name;
        self.aws_calls.get_or_create(&CallLabels { operation, outcome: outcome(record.error) }).inc();
        if let Some(duration) = record.duration {
            self.aws_durations.get_or_create(&OperationLabel { operation }).observe(duration.as_secs_f64());
        }
        let decrypted = record.parameters.iter().filter(|parameter| parameter.outcome == "Decrypted").count();
        self.decrypted.inc_by(u64::try_from(decrypted).unwrap_or(u64::MAX));
    }

    /// Counts how long an AWS call waited for its turn within a quota.
    pub(crate) fn call_waited(&self, quota: &'static str, duration: Duration) {
        self.quota_waits.get_or_create(&QuotaLabel { quota }).observe(duration.as_secs_f64());
    }

    /// Counts a write of a Secret.
    pub(crate) fn secret_written(&self) {
        self.secret_writes.inc();
    }

    /// Counts a Secret that was put right after somebody else had changed it.
    pub(crate) fn repaired(&self, purpose: Purpose) {
        self.repairs.get_or_create(&CauseLabel { cause: purpose.as_str() }).inc();
    }

    /// Counts the restart of a workload.
    pub(crate) fn restarted(&self, rollout: &Rollout) {
        self.restarts.get_or_create(&OutcomeLabel { outcome: rollout.outcome() }).inc();
    }

    /// Counts a panic in the work of an object of `kind`.
    pub(crate) fn panicked(&self, kind: &'static str) {
        self.panics.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts an audit record that was lost.
    pub(crate) fn audit_record_lost(&self) {
        self.audit_records_lost.inc();
    }

    /// Counts an error of a watch.
    pub(crate) fn watch_error(&self, watch: &'static str) {
        self.watch_errors.get_or_create(&WatchLabel { watch }).inc();
    }

    /// Counts that this process became the leader, or ceased to be.
    pub(crate) fn lead_changed(&self, change: LeadChange) {
        self.leader_changes.get_or_create(&ChangeLabel { change: change.as_str() }).inc();
    }
}
