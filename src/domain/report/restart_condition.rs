//! What an attempt means for restarts of workloads.

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{ConditionType, Conditions, SecureParameterStatus, status::WrittenSecret},
    domain::{
        audit::to_rfc3339,
        report::{
            attempt::RestartOutcome, event_format, events::TimedEvent, restart_summary::summary, subject::Subject,
        },
        schedule::{
            object_state::ObjectState,
            restart::{PendingRestart, QUIET_PERIOD, RestartReport},
        },
    },
};

/// Token and message of the restart that a changed Secret calls for.
pub(super) fn restart_plan(secret: &WrittenSecret, at: Timestamp) -> (String, String) {
    let message = format!(
        "Secret {} changed at {}; the workloads in spec.restart will be restarted {} s after the last change.",
        secret.name,
        to_rfc3339(at),
        QUIET_PERIOD.as_secs()
    );
    (format!("{}/{}", secret.name, secret.resource_version), message)
}

/// Remembers the result of a restart. Returns an Event if the result is news.
pub(super) fn conclude_restart(
    subject: &Subject<'_>,
    next: &mut ObjectState,
    restart: RestartOutcome,
) -> Option<TimedEvent> {
    next.history.restart.pending = None;
    let RestartOutcome::Attempted { secret, token, rollouts } = restart else {
        next.history.restart.report = None;
        return None;
    };
    let summary = summary(&secret, &rollouts);
    let now = subject.uptime;
    next.history.restart.pending = summary.retry.map(|retry| PendingRestart { since: now, due: now + retry });
    let report = RestartReport { is_done: summary.is_done, reason: summary.reason, message: summary.message };
    if next.history.restart.report.as_ref() == Some(&report) {
        return None;
    }
    let RestartReport { is_done, reason, message } = &report;
    let event = event_format::of_restart(subject.name, subject.uid, &token, *is_done, *reason, message);
    next.history.restart.report = Some(report);
    Some((event, subject.now))
}

/// Adds what the status says of restarts.
pub(super) fn with_restart(
    subject: &Subject<'_>,
    next: &ObjectState,
    mut status: SecureParameterStatus,
    before: &SecureParameterStatus,
) -> SecureParameterStatus {
    status.conditions.retain(|condition| condition.type_ != ConditionType::Restarted.as_str());
    let restart = Some(&next.history.restart).filter(|_| subject.has_workloads);
    if let Some(RestartReport { is_done, reason, message }) = restart.and_then(|restart| restart.report.as_ref()) {
        let conditions = Conditions::new(&before.conditions, subject.generation, subject.now);
        status.conditions.push(conditions.restarted(*is_done, *reason, message));
    }
    let token = restart.and_then(|restart| restart.token.clone());
    if let Some(observed) = status.observed.as_mut() {
        observed.restart = token;
    }
    status
}
