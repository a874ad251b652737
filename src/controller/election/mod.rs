//! Leader election: of several operators, one works and the others stand by with warm caches. An operator without election
//! takes the same Lease, so that two of them notice each other.

pub(crate) mod candidate;
pub(crate) mod handle;
mod report;

use std::time::Duration;

use crate::kubernetes::LeaseName;

/// The readiness gate of the election.
pub(crate) const GATE: &str = "lease";

/// How this process takes part in the election.
#[derive(Clone, Debug)]
pub struct Election {
    /// Whether other operators may stand by. Without that, another one that works is a mistake.
    pub elects: bool,
    /// The Lease.
    pub lease: LeaseName,
    /// How long a lease lasts.
    pub duration: Duration,
    /// Who this process is: a name that no other has.
    pub identity: String,
}
