//! How often a Secret is repaired before the operator backs off.

use std::{collections::VecDeque, time::Duration};

use crate::domain::schedule::uptime::Uptime;

/// Repairs of one Secret within [`WINDOW`] before the operator backs off: whoever changes it again and again would
/// otherwise keep the operator busy.
const REPAIRS: usize = 3;
/// Window in which repairs are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The last repairs of one Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RepairLimit {
    repairs: VecDeque<Uptime>,
}

impl RepairLimit {
    /// Reports whether the Secret may be repaired now.
    pub(crate) fn allows(&self, now: Uptime) -> bool {
        self.wait(now).is_zero()
    }

    /// Returns how long to wait until the Secret may be repaired again; zero if it may be repaired now.
    pub(crate) fn wait(&self, now: Uptime) -> Duration {
        let oldest = self.repairs.len().checked_sub(REPAIRS).and_then(|index| self.repairs.get(index));
        oldest.map_or(Duration::ZERO, |at| (*at + WINDOW).saturating_sub(now))
    }

    /// Forgets repairs that do not limit any more.
    pub(crate) fn forget_old(&mut self, now: Uptime) {
        self.repairs.retain(|at| *at + WINDOW > now);
    }

    /// Records a repair.
    pub(crate) fn record(&mut self, now: Uptime) {
        self.repairs.push_back(now);
        while self.repairs.len() > REPAIRS {
            self.repairs.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(milliseconds: &[u64]) -> RepairLimit {
        let mut limit = RepairLimit::default();
        for at in milliseconds {
            limit.record(Duration::from_millis(*at));
        }
        limit
    }

    #[test]
    fn three_repairs_a_minute_are_allowed() {
        for (repairs, now, wait) in [
            (&[][..], 0, 0),
            (&[0, 1_000], 2_000, 0),
            (&[0, 1_000, 2_000], 2_000, 58_000),
            (&[0, 1_000, 2_000], 59_999, 1),
            (&[0, 1_000, 2_000], 60_000, 0),
            (&[0, 1_000, 2_000, 60_000], 60_500, 500),
            (&[0, 1_000, 2_000, 60_000], 61_000, 0),
        ] {
            let limit = after(repairs);
            assert_eq!(limit.wait(Duration::from_millis(now)), Duration::from_millis(wait), "{repairs:?} at {now}");
            assert_eq!(limit.allows(Duration::from_millis(now)), wait == 0, "{repairs:?} at {now}");
        }
    }
}
