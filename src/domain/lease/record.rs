//! What a Lease says.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// A Lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Its resource version. A write of it is pinned to this.
    pub(crate) version: String,
    /// What it says.
    pub(crate) record: Record,
}

/// The fields of a Lease (Kubernetes API reference, LeaseSpec).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Who leads; `None` if the last leader has released it.
    pub(crate) holder: Option<String>,
    /// How long after its last renewal others wait.
    pub(crate) duration: Duration,
    /// When the holder became the leader, by its own clock on the wall.
    pub(crate) acquired_at: Option<Timestamp>,
    /// When it renewed the Lease last, by the same clock. Only people read it: whether a lease has ended, each process
    /// judges by how long it has seen no change.
    pub(crate) renewed_at: Option<Timestamp>,
    /// How often the leader changed.
    pub(crate) transitions: i32,
}

impl Record {
    /// Returns the record of a new leader after this one.
    pub(crate) fn acquired(&self, holder: &str, duration: Duration, wall: Timestamp) -> Self {
        Self {
            holder: Some(holder.to_owned()),
            duration,
            acquired_at: Some(wall),
            renewed_at: Some(wall),
            transitions: self.transitions.saturating_add(1),
        }
    }

    /// Returns the record of the same leader after a renewal. Its time is later than the one before, also if the clock on the
    /// wall stands still or is set back: others, who may miss renewals, would take one that they know for no renewal.
    pub(crate) fn renewed(&self, duration: Duration, wall: Timestamp) -> Self {
        let after = self.renewed_at.map_or(i64::MIN, |before| before.as_microsecond().saturating_add(1));
        let renewed_at = Timestamp::from_microsecond(wall.as_microsecond().max(after)).unwrap_or(wall);
        Self { duration, renewed_at: Some(renewed_at), ..self.clone() }
    }

    /// Returns the record without a leader, which the next one may take at once. Its duration is the shortest that a Lease can
    /// have, as client-go writes it.
    pub(crate) fn released(&self, wall: Timestamp) -> Self {
        Self { holder: None, duration: Duration::from_secs(1), renewed_at: Some(wall), ..self.clone() }
    }
}
