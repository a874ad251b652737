//! Who goes first when the budget does not suffice for all.

use crate::domain::schedule::decide::Purpose;

/// Urgency of a read, the most urgent first. Waiting makes up for it, so that nothing waits for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Never synced, a changed spec, or a Secret that is not there or not right.
    New = 0,
    /// Somebody asked for it.
    Requested = 1,
    /// A look saw another version.
    Changed = 2,
    /// A look at versions.
    Sweep = 3,
    /// Proof that access still stands.
    Revalidation = 4,
    /// Values whose object failed before.
    Retry = 5,
}

impl Priority {
    /// The urgency of a read for this purpose.
    pub const fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::FirstSync | Purpose::SpecChanged | Purpose::SecretDrifted | Purpose::SecretMissing => Self::New,
            Purpose::ForcedSync => Self::Requested,
            Purpose::ParameterChanged => Self::Changed,
            Purpose::VersionCheck | Purpose::Identity | Purpose::KeyState => Self::Sweep,
            Purpose::Revalidation => Self::Revalidation,
            Purpose::Retry => Self::Retry,
        }
    }
}
