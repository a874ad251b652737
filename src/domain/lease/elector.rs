//! One process that takes part in an election. Pure: it is told what the API server answers and what time it is, and says
//! what to ask next. Only a write of the Lease that succeeded makes a leader, and each write is pinned to the version that
//! was read, so that of several processes one succeeds.
//!
//! Times are those of a clock that only this process reads and that never jumps. The times in the Lease are not believed.

use k8s_openapi::jiff::Timestamp;

use crate::domain::{
    lease::{
        record::{Lease, Record},
        timing::Timing,
    },
    schedule::uptime::Uptime,
};

/// One process in an election.
#[derive(Debug)]
pub(crate) struct Elector {
    identity: String,
    timing: Timing,
    known: Known,
    /// What the Lease said last, and when this process saw that first.
    last: Option<(Record, Uptime)>,
    /// When the write was sent that made this process the leader or kept it so. `None` if it does not lead.
    renewed_at: Option<Uptime>,
}

/// What is known of the Lease in the API server.
#[derive(Debug)]
enum Known {
    /// Nothing, or nothing for certain: the last request failed.
    Nothing,
    /// It does not exist.
    Absent,
    /// It was read or written.
    Lease(Lease),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read the Lease.
    Look,
    /// Create the Lease.
    Create(Record),
    /// Replace the Lease if it still has this version.
    Replace(Lease),
    /// Do nothing until then, unless the Lease changes.
    Wait(Uptime),
}

impl Elector {
    /// A process that does not know the Lease yet. No other process has the same identity.
    pub(crate) const fn new(identity: String, timing: Timing) -> Self {
        Self { identity, timing, known: Known::Nothing, last: None, renewed_at: None }
    }

    /// Returns what to do next. `wall` is the clock on the wall, which is written for people.
    pub(crate) fn next(&self, now: Uptime, wall: Timestamp) -> Step {
        let lease = match &self.known {
            Known::Nothing => return Step::Look,
            // Somebody deleted it. Its holder may not know that yet.
            Known::Absent => match self.expiry().filter(|expiry| now < *expiry) {
                Some(expiry) => return Step::Wait(expiry),
                None => return Step::Create(Record { transitions: 0, ..self.acquired(&Record::default(), wall) }),
            },
            Known::Lease(lease) => lease,
        };
        let replace = |record| Step::Replace(Lease { version: lease.version.clone(), record });
        if self.is_mine(&lease.record) {
            let renewal = self.renewed_at.map(|at| at.saturating_add(self.timing.interval()));
            return match renewal.filter(|renewal| now < *renewal) {
                Some(renewal) => Step::Wait(renewal),
                None => replace(lease.record.renewed(self.timing.duration, wall)),
            };
        }
        match self.expiry().filter(|expiry| now < *expiry) {
            Some(expiry) => Step::Wait(expiry),
            None => replace(self.acquired(&lease.record, wall)),
        }
    }

    /// Returns the Lease without a leader, to be written at the end; `None` if this process is not known to hold it.
    pub(crate) fn release(&self, wall: Timestamp) -> Option<Lease> {
        let Known::Lease(Lease { version, record }) = &self.known else { return None };
        self.is_mine(record).then(|| Lease { version: version.clone(), record: record.released(wall) })
    }

    /// The API server answered a look, or a watch showed a change: this is the Lease, or there is none.
    pub(crate) fn saw(&mut self, lease: Option<Lease>, now: Uptime) {
        self.known = match lease {
            None => Known::Absent,
            Some(lease) => {
                if !self.is_mine(&lease.record) {
                    self.renewed_at = None;
                }
                self.remember(&lease.record, now);
                Known::Lease(lease)
            }
        };
    }

    /// A write that was sent at `sent_at` succeeded.
    pub(crate) fn wrote(&mut self, lease: Lease, sent_at: Uptime, now: Uptime) {
        self.renewed_at = self.is_mine(&lease.record).then_some(sent_at);
        self.remember(&lease.record, now);
        self.known = Known::Lease(lease);
    }

    /// What is known may be old: a request failed, or was not answered and may have arrived, or it is time to look.
    pub(crate) fn look_again(&mut self) {
        self.known = Known::Nothing;
    }

    /// Returns until when this process may write; `None` if it does not lead.
    pub(crate) fn writes_until(&self) -> Option<Uptime> {
        self.renewed_at.map(|at| self.timing.writes_until(at))
    }

    /// Returns what the Lease said last, and when this process saw that first.
    pub(crate) const fn last(&self) -> Option<&(Record, Uptime)> {
        self.last.as_ref()
    }

    /// Returns the other process that the Lease names as the leader, as far as is known.
    pub(crate) fn other(&self) -> Option<&str> {
        let holder = self.last.as_ref()?.0.holder.as_deref();
        holder.filter(|holder| *holder != self.identity)
    }

    /// Reports whether this process holds the Lease, as far as is known for certain.
    pub(crate) fn is_holder(&self) -> bool {
        matches!(&self.known, Known::Lease(lease) if self.is_mine(&lease.record))
    }

    /// Returns when the lease of another process ends; `None` if none leads.
    fn expiry(&self) -> Option<Uptime> {
        let (record, since) = self.last.as_ref()?;
        self.other()?;
        // The holder reckons with the duration that it was started with, which is not always the one that it wrote: anybody
        // may have edited the Lease.
        let duration = record.duration.max(self.timing.duration);
        Some(since.saturating_add(duration))
    }

    fn acquired(&self, before: &Record, wall: Timestamp) -> Record {
        before.acquired(&self.identity, self.timing.duration, wall)
    }

    fn is_mine(&self, record: &Record) -> bool {
        record.holder.as_deref() == Some(&self.identity)
    }

    fn remember(&mut self, record: &Record, now: Uptime) {
        if self.last.as_ref().is_none_or(|(last, _)| last != record) {
            self.last = Some((record.clone(), now));
        }
    }
}
