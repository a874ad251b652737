//! The times of an election, all of which follow from how long a lease lasts.

use std::time::Duration;

use crate::domain::schedule::uptime::Uptime;

/// How long a lease lasts, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// How long others wait after the last renewal that they saw, before one of them takes over.
    pub(crate) duration: Duration,
}

impl Timing {
    /// Returns the time between two renewals of the leader, and between two looks of the others.
    pub(crate) fn interval(self) -> Duration {
        self.duration / 6
    }

    /// Returns the delay before a request that failed is made again.
    pub(crate) fn retry(self) -> Duration {
        self.duration / 24
    }

    /// Returns how long before the end of its lease the leader stops writing. In this time, what was sent before arrives,
    /// and clocks that run at different rates do not matter.
    pub(crate) fn margin(self) -> Duration {
        self.duration / 3
    }

    /// Returns until when the leader may write, if it sent its last successful renewal at `renewed_at`.
    pub(crate) fn writes_until(self, renewed_at: Uptime) -> Uptime {
        renewed_at.saturating_add(self.duration).saturating_sub(self.margin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_of_twelve_seconds_is_renewed_every_two_and_writes_end_after_eight() {
        let timing = Timing { duration: Duration::from_secs(12) };
        assert_eq!(timing.interval(), Duration::from_secs(2));
        assert_eq!(timing.writes_until(Duration::from_secs(100)), Duration::from_secs(108));
    }
}
