//! Which read goes first when the rate limit does not allow all of them at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::schedule::decide::Purpose;

/// How much waiting time outweighs one step of priority.
const AGING: Duration = Duration::from_secs(10);

/// Priority of a read, the most urgent first. Waiting reads age upward, so that none starves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// A first sync, a changed spec, or a Secret that is missing or was changed.
    New = 0,
    /// A user requested a sync.
    Requested = 1,
    /// A version check found another version.
    Changed = 2,
    /// A version check.
    Sweep = 3,
    /// An unchanged value is decrypted again to prove that access is still granted.
    Revalidation = 4,
    /// The last read of the object failed.
    Retry = 5,
}

impl Priority {
    /// Returns the priority of a read for this purpose.
    pub(crate) const fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::FirstSync | Purpose::SpecChanged | Purpose::SecretDrifted | Purpose::SecretMissing => Self::New,
            Purpose::ForcedSync => Self::Requested,
            Purpose::ParameterChanged => Self::Changed,
            Purpose::VersionCheck | Purpose::Identity | Purpose::KeyState => Self::Sweep,
            Purpose::Revalidation => Self::Revalidation,
            Purpose::Retry => Self::Retry,
        }
    }

    /// Returns the number of steps below the most urgent priority.
    pub(crate) const fn steps(self) -> u32 {
        self as u32
    }

    /// Returns the deadline of a read that has waited since then. Reads are served in the order of their deadlines.
    pub(crate) fn deadline(self, since: Instant) -> Instant {
        since + AGING * self.steps()
    }
}
