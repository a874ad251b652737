//! How often a status that somebody else changes is corrected before the operator backs off.

use std::time::Duration;

use crate::domain::schedule::uptime::Uptime;

/// Corrections in a row that are made at once. Somebody who changes a status again and again would otherwise keep the
/// operator and the API server busy; a second operator answers each correction with its own.
const AT_ONCE: u32 = 3;
/// Delay after these. Doubles with each further correction.
const FIRST_DELAY: Duration = Duration::from_secs(60);
/// Longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(300);

/// The corrections of one status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CorrectionLimit {
    in_a_row: u32,
    last: Uptime,
    /// Whether it was reported that the status is contested.
    is_reported: bool,
}

/// What to do about a status that somebody else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Correction {
    /// Write it.
    Now,
    /// Leave it as it is until the wait is over.
    Later {
        /// How long.
        wait: Duration,
        /// Whether this is the first time, which is worth a report.
        is_first: bool,
    },
}

impl Correction {
    /// Returns how long the correction has to wait; `None` if it is made now.
    pub(crate) const fn wait(self) -> Option<Duration> {
        match self {
            Self::Now => None,
            Self::Later { wait, .. } => Some(wait),
        }
    }

    /// Reports whether to report that the status is contested.
    pub(crate) const fn is_to_be_reported(self) -> bool {
        matches!(self, Self::Later { is_first: true, .. })
    }
}

impl CorrectionLimit {
    /// Decides about a correction that is needed at `now`. Counts it if it is to be made.
    pub(crate) fn decide(&mut self, now: Uptime) -> Correction {
        self.forget_old(now);
        let delay = self.delay();
        let quiet = now.saturating_sub(self.last);
        if quiet < delay {
            let is_first = !self.is_reported;
            self.is_reported = true;
            return Correction::Later { wait: delay.saturating_sub(quiet), is_first };
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = now;
        Correction::Now
    }

    /// Forgets corrections if nobody changed the status for long after the last one.
    pub(crate) fn forget_old(&mut self, now: Uptime) {
        if now.saturating_sub(self.last) > self.delay() * 2 + FIRST_DELAY {
            *self = Self::default();
        }
    }

    /// The delay after the last correction.
    fn delay(&self) -> Duration {
        let Some(doublings) = self.in_a_row.checked_sub(AT_ONCE) else { return Duration::ZERO };
        FIRST_DELAY.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Seconds at which corrections are made of a status that is changed `every` so many seconds, for `length` seconds.
    fn corrections(every: usize, length: u32) -> Vec<u32> {
        let mut limit = CorrectionLimit::default();
        (0..length).step_by(every).filter(|second| limit.decide(SECOND * *second) == Correction::Now).collect()
    }

    #[test]
    fn three_corrections_are_made_at_once_and_then_fewer_and_fewer() {
        assert_eq!(corrections(1, 1_000), [0, 1, 2, 62, 182, 422, 722]);
        assert_eq!(corrections(1, 86_400).len(), 292, "one in five minutes in the end");
    }

    #[test]
    fn a_status_that_is_changed_now_and_then_is_corrected_at_once() {
        assert_eq!(corrections(61, 610).len(), 10);
        let slow = corrections(30, 3_600);
        assert!(slow.len() < 18, "{slow:?}");
    }

    #[test]
    fn a_quiet_time_starts_over_and_a_contest_is_reported_once() {
        let mut limit = CorrectionLimit::default();
        for second in 0..3 {
            assert_eq!(limit.decide(SECOND * second), Correction::Now);
        }
        assert_eq!(limit.decide(SECOND * 3), Correction::Later { wait: SECOND * 59, is_first: true });
        assert_eq!(limit.decide(SECOND * 4), Correction::Later { wait: SECOND * 58, is_first: false });
        assert_eq!(limit.decide(SECOND * 62), Correction::Now);
        assert_eq!(limit.decide(SECOND * 63), Correction::Later { wait: SECOND * 119, is_first: false });
        for second in 1_000..1_003 {
            assert_eq!(limit.decide(SECOND * second), Correction::Now);
        }
        assert_eq!(limit.decide(SECOND * 1_003), Correction::Later { wait: SECOND * 59, is_first: true });
    }

    #[test]
    fn the_delay_has_a_limit_for_any_number_of_corrections() {
        let mut limit = CorrectionLimit::default();
        for count in 0..100 {
            assert_eq!(limit.decide(LONGEST_DELAY * count), Correction::Now, "{count}");
        }
        limit.in_a_row = u32::MAX;
        assert_eq!(limit.delay(), LONGEST_DELAY);
    }
}
