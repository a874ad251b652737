//! How long a read that failed is not repeated.

use std::time::Duration;

use crate::{api::Reason, domain::schedule::uptime::Uptime};

/// Timers may fire a moment early.
const TIMER_SLACK: Duration = Duration::from_millis(50);

/// A read that failed. It is not repeated before its time just because the object was triggered for another cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Identifies what the read depended on: reader, generation and sync annotation. With another basis the hold ends.
    pub basis: u64,
    /// When the read failed.
    pub failed_at: Uptime,
    /// When it may be repeated.
    pub retry_at: Uptime,
    /// Its reason.
    pub reason: Reason,
}

impl Hold {
    /// Holds a read that failed at `failed_at` for `wait`.
    pub(crate) fn new(basis: u64, failed_at: Uptime, wait: Duration, reason: Reason) -> Self {
        Self { basis, failed_at, retry_at: failed_at + wait.saturating_sub(TIMER_SLACK), reason }
    }

    /// Reports whether the hold is about a read with this basis.
    pub(crate) const fn is_for(&self, basis: u64) -> bool {
        self.basis == basis
    }

    /// Returns how long the read still has to wait; `None` if it may be repeated. `changed_at` is when the newest change
    /// of one of its parameters was seen: a change after the failure ends the hold.
    pub(crate) fn wait(&self, changed_at: Option<Uptime>, now: Uptime) -> Option<Duration> {
        let has_changed = changed_at.is_some_and(|changed_at| changed_at > self.failed_at);
        let wait = self.retry_at.saturating_sub(now);
        (!has_changed && !wait.is_zero()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_failed_read_waits_for_its_time_or_for_a_change() {
        let hold = Hold::new(7, SECOND * 100, SECOND * 60 + TIMER_SLACK, Reason::AccessDenied);
        for (changed_at, now, wait) in [
            (None, 100, Some(SECOND * 60)),
            (Some(90), 130, Some(SECOND * 30)),
            (Some(100), 130, Some(SECOND * 30)),
            (Some(101), 130, None),
            (None, 160, None),
            (None, 500, None),
        ] {
            let changed_at = changed_at.map(|at| SECOND * at);
            assert_eq!(hold.wait(changed_at, SECOND * now), wait, "changed at {changed_at:?}, now {now}");
        }
        assert!(hold.is_for(7) && !hold.is_for(8));
    }
}
