//! Which calls go first when the rate limit does not allow all of them at once.

use crate::domain::schedule::decide::Purpose;

/// Priority of a call, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The number of priorities.
    pub(crate) const COUNT: usize = 6;

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

    /// Reports whether nobody waits for the answer of such a call.
    pub(crate) fn is_background(self) -> bool {
        self >= Self::Sweep
    }

    /// Returns the share of the calls that this priority gets while calls of all priorities wait. Each has some, so that
    /// none starves, however long the queue of a more urgent one is.
    pub(crate) const fn weight(self) -> f64 {
        match self {
            Self::New => 16.0,
            Self::Requested | Self::Changed | Self::Sweep => 8.0,
            Self::Revalidation | Self::Retry => 2.0,
        }
    }
}
