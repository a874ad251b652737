//! The counters before anything has happened.

use crate::{
    api::Reason,
    domain::{
        access::namespace_usage::NamespaceLimit, aws_error::AwsErrorKind, report::restart_summary::Rollout,
        schedule::decide::Purpose,
    },
    telemetry::metrics::{
        Metrics,
        labels::{
            CallLabels, CauseLabel, ChangeLabel, KINDS, KindLabel, LeadChange, LimitLabel, OPERATIONS, OperationLabel,
            OutcomeLabel, QuotaLabel, ReasonLabel, ReconcileLabels, STATUS_WRITE_FAILED, Wait, WaitLabel, WatchLabel,
            outcome,
        },
    },
};

impl Metrics {
    /// Creates everything whose labels are known.
    pub(super) fn start_at_zero(&self) {
        for kind in KINDS {
            let label = KindLabel { kind };
            drop(self.panics.get_or_create(&label));
            drop(self.durations.get_or_create(&label));
            drop(self.in_progress.get_or_create(&label));
            for reason in Reason::ALL.iter().map(|reason| reason.as_str()).chain([STATUS_WRITE_FAILED]) {
                drop(self.reconciles.get_or_create(&ReconcileLabels { kind, reason }));
            }
        }
        for reason in Reason::ALL {
            drop(self.objects.get_or_create(&ReasonLabel { reason: reason.as_str() }));
        }
        for operation in OPERATIONS {
            drop(self.aws_durations.get_or_create(&OperationLabel { operation }));
            for error in AwsErrorKind::ALL.map(Some).into_iter().chain([None]) {
                drop(self.aws_calls.get_or_create(&CallLabels { operation, outcome: outcome(error) }));
            }
        }
        for wait in Wait::ALL {
            drop(self.waits.get_or_create(&WaitLabel { wait: wait.as_str() }));
        }
        for change in LeadChange::ALL {
            drop(self.leader_changes.get_or_create(&ChangeLabel { change: change.as_str() }));
        }
        for limit in NamespaceLimit::ALL {
            drop(self.limits_reached.get_or_create(&LimitLabel { limit: limit.as_str() }));
        }
        for outcome in Rollout::OUTCOMES {
            drop(self.restarts.get_or_create(&OutcomeLabel { outcome }));
        }
        for purpose in Purpose::REPAIRS {
            drop(self.repairs.get_or_create(&CauseLabel { cause: purpose.as_str() }));
        }
    }

    /// Creates the counters of these watches and quotas, which other layers name.
    pub(crate) fn start_at_zero_for(&self, watches: &[&'static str], quotas: &[&'static str]) {
        for watch in watches {
            drop(self.watch_errors.get_or_create(&WatchLabel { watch }));
        }
        for quota in quotas {
            drop(self.quota_waits.get_or_create(&QuotaLabel { quota }));
        }
    }
}
