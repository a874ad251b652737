//! When workloads are restarted after the content of their Secret changed.

use std::time::Duration;

use crate::{
    api::{Condition, ConditionStatus, ConditionType, Reason, SecureParameterStatus, names::RESTART_ANNOTATION_PREFIX},
    domain::{digest::TextDigest, schedule::uptime::Uptime},
};

/// Delay between the last change of the Secret and the restart.
pub(crate) const QUIET_PERIOD: Duration = Duration::from_secs(5);
/// How long further changes may put a restart off.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Restarts of an object's workloads, as remembered between reconciles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RestartState {
    /// The restart that is to come.
    pub pending: Option<PendingRestart>,
    /// The change that workloads are restarted for: name and resource version of the Secret.
    pub token: Option<String>,
    /// What the condition `Restarted` says.
    pub report: Option<RestartReport>,
}

/// A restart that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingRestart {
    /// When the first change asked for it.
    pub since: Uptime,
    /// When it is due.
    pub due: Uptime,
}

/// What the condition `Restarted` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestartReport {
    /// Whether nothing is left to do.
    pub is_done: bool,
    /// Reason of the condition.
    pub reason: Reason,
    /// Message of the condition.
    pub message: String,
}

impl RestartState {
    /// Restores what a status says, after the operator itself restarted. What was still to be done is planned anew; a
    /// workload that was restarted for the same change is left alone.
    pub(crate) fn from_status(status: &SecureParameterStatus, now: Uptime) -> Self {
        let report = status.condition(ConditionType::Restarted).and_then(|condition: &Condition| {
            let is_done = condition.status == ConditionStatus::True;
            Some(RestartReport { is_done, reason: condition.known_reason()?, message: condition.message.clone() })
        });
        let is_pending = report.as_ref().is_some_and(|report| !report.is_done);
        let pending = is_pending.then(|| PendingRestart { since: now, due: now + QUIET_PERIOD });
        let token = status.observed.as_ref().and_then(|observed| observed.restart.clone());
        Self { pending, token, report }
    }

    /// Plans a restart for a change of the Secret: after a quiet period, which each further change begins again.
    pub(crate) fn plan(&mut self, token: String, message: String, now: Uptime) {
        let since = self.pending.map_or(now, |pending| pending.since);
        self.pending = Some(PendingRestart { since, due: (now + QUIET_PERIOD).min(since + LONGEST_DELAY) });
        self.token = Some(token);
        self.report = Some(RestartReport { is_done: false, reason: Reason::RestartPending, message });
    }

    /// Reports whether workloads are to be restarted now. A new spec repeats a restart that failed.
    pub(crate) fn is_due(&self, spec_changed: bool, now: Uptime) -> bool {
        let has_failed = self.report.as_ref().is_some_and(|report| report.reason == Reason::RestartFailed);
        spec_changed && has_failed || self.pending.is_some_and(|pending| pending.due <= now)
    }
}

/// Returns the annotation by which an object restarts the pods of a workload. It ends with the object's name, shortened where
/// that is too long.
pub(crate) fn annotation(object: &str) -> String {
    /// Longest name of an annotation, without its prefix (Kubernetes documentation, Annotations).
    const LONGEST_NAME: usize = 63;
    let name = if object.len() <= LONGEST_NAME {
        object.to_owned()
    } else {
        let mut digest = TextDigest::default();
        digest.add(object);
        format!("{}-{}", &object[..LONGEST_NAME - 9], &digest.hex()[..8])
    };
    format!("{RESTART_ANNOTATION_PREFIX}{name}")
}

/// A write of a Secret, as far as restarts depend on it.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations, each named")]
pub(crate) struct SecretChange {
    /// Whether the object wrote a Secret of that name before.
    pub existed: bool,
    /// Whether the write changed the Secret.
    pub changed: bool,
    /// Whether it was written from other versions or parameters.
    pub sources_changed: bool,
    /// Whether the spec now maps the parameters to different data.
    pub data_shape_changed: bool,
}

impl SecretChange {
    /// Reports whether workloads that use the Secret have to be restarted. A change of labels alone or a repair leaves the
    /// content as it was.
    pub(crate) const fn calls_for_restart(self) -> bool {
        self.existed && self.changed && (self.sources_changed || self.data_shape_changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_content_calls_for_a_restart() {
        let write = SecretChange { existed: true, changed: true, sources_changed: true, data_shape_changed: false };
        for (write, expected) in [
            (write, true),
            (SecretChange { sources_changed: false, data_shape_changed: true, ..write }, true),
            (SecretChange { existed: false, ..write }, false),
            (SecretChange { changed: false, ..write }, false),
            (SecretChange { sources_changed: false, ..write }, false),
        ] {
            assert_eq!(write.calls_for_restart(), expected, "{write:?}");
        }
    }

    #[test]
    fn annotations_are_valid_and_differ() {
        assert_eq!(annotation("checkout"), "restarted-for.secureparameter.io/checkout");
        let (one, other) = (annotation(&format!("{}a", "x".repeat(100))), annotation(&format!("{}b", "x".repeat(100))));
        assert_ne!(one, other);
        assert_eq!(one.len(), RESTART_ANNOTATION_PREFIX.len() + 63);
    }

    #[test]
    fn restarts_wait_for_quiet_but_not_for_ever() {
        let mut state = RestartState::default();
        for (second, due) in [(0, 5), (3, 8), (20, 25), (27, 30), (29, 30)] {
            state.plan("s/1".into(), "Changed.".into(), Duration::from_secs(second));
            assert_eq!(state.pending.map(|pending| pending.due), Some(Duration::from_secs(due)), "{second}");
        }
        assert!(!state.is_due(false, Duration::from_secs(29)));
        assert!(state.is_due(false, Duration::from_secs(30)));
    }

    #[test]
    fn a_new_spec_repeats_only_a_restart_that_failed() {
        for (reason, expected) in [(Reason::RestartFailed, true), (Reason::Restarted, false)] {
            let report = Some(RestartReport { is_done: !expected, reason, message: String::new() });
            let state = RestartState { report, ..RestartState::default() };
            assert_eq!(state.is_due(true, Duration::ZERO), expected, "{reason}");
            assert!(!state.is_due(false, Duration::ZERO), "{reason}");
        }
    }
}
