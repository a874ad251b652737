//! Failures in a row.

use k8s_openapi::jiff::Timestamp;

use crate::domain::schedule::hold::Hold;

/// Failures in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    /// Their number.
    pub count: u32,
    /// Time of the first one.
    pub since: Option<Timestamp>,
    /// The last read that failed.
    pub hold: Option<Box<Hold>>,
}

impl Failures {
    /// Counts a failure. Returns the time of the first one.
    pub(crate) fn record(&mut self, now: Timestamp) -> Timestamp {
        self.count = self.count.saturating_add(1);
        *self.since.get_or_insert(now)
    }
}
