//! Which other operators live, as far as their Leases tell. Like a candidate in an election, it believes no time in a Lease, but
//! judges by how long it has seen no change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::domain::{
    lease::record::Record,
    schedule::uptime::Uptime,
    shard::{
        part::Part,
        shards::{Shard, Shards},
    },
};

/// How long an operator counts as living after its Lease was released or deleted: one that stands by takes over at once, and
/// what it handles should not change hands meanwhile.
const HANDOVER: Duration = Duration::from_secs(3);

/// The Lease of another operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherLease {
    /// What it says.
    pub(crate) record: Record,
    /// What its operator watches.
    pub(crate) part: Part,
}

/// The Leases of other operators.
#[derive(Debug)]
pub(crate) struct Roster {
    own: Arc<Shard>,
    others: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    record: Record,
    shard: Arc<Shard>,
    /// When it ceases to live, unless it changes.
    ends_at: Uptime,
}

impl Roster {
    /// Begins without any other operator.
    pub(crate) const fn new(own: Arc<Shard>) -> Self {
        Self { own, others: BTreeMap::new() }
    }

    /// The Lease of this name was seen.
    pub(crate) fn saw(&mut self, name: &str, lease: OtherLease, now: Uptime) {
        let OtherLease { record, part } = lease;
        let known = self.others.get(name);
        if known.is_some_and(|known| known.record == record && known.shard.part == part) {
            // Somebody looked again.
            return;
        }
        let ends_at = match (&record.holder, known) {
            // Half of the duration more than an election waits, so that one that stands by can take over.
            (Some(_), _) => now.saturating_add(record.duration.saturating_mul(3) / 2),
            (None, Some(known)) => known.ends_at.min(now.saturating_add(HANDOVER)),
            (None, None) => now,
        };
        let same = known.filter(|known| known.shard.part == part).map(|known| known.shard.clone());
        let shard = same.unwrap_or_else(|| Arc::new(Shard { lease: name.to_owned(), part }));
        self.others.insert(name.to_owned(), Known { record, shard, ends_at });
    }

    /// The Lease of this name was deleted.
    pub(crate) fn deleted(&mut self, name: &str, now: Uptime) {
        if let Some(known) = self.others.get_mut(name) {
            known.ends_at = known.ends_at.min(now.saturating_add(HANDOVER));
            // One that is written again is a change, whatever it says.
            known.record.holder = None;
        }
    }

    /// These are all Leases that exist.
    pub(crate) fn listed(&mut self, names: &BTreeSet<String>, now: Uptime) {
        let deleted: Vec<_> = self.others.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in &deleted {
            self.deleted(name, now);
        }
    }

    /// Returns the operators that live.
    pub(crate) fn living(&self, now: Uptime) -> Shards {
        let living = self.others.values().filter(|known| now < known.ends_at);
        Shards { own: self.own.clone(), others: living.map(|known| known.shard.clone()).collect() }
    }

    /// Returns when the next one of those that live ceases to, unless it changes.
    pub(crate) fn next_end(&self, now: Uptime) -> Option<Uptime> {
        self.others.values().map(|known| known.ends_at).filter(|ends_at| now < *ends_at).min()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    const fn at(seconds: u64) -> Uptime {
        Duration::from_secs(seconds)
    }

    fn lease(holder: Option<&str>, renewed: i64) -> OtherLease {
        let record = Record {
            holder: holder.map(str::to_owned),
            duration: at(12),
            renewed_at: Timestamp::from_second(renewed).ok(),
            ..Record::default()
        };
        OtherLease { record, part: Part::default() }
    }

    fn roster() -> Roster {
        Roster::new(Arc::new(Shard { lease: "own".to_owned(), part: Part::default() }))
    }

    fn living(roster: &Roster, now: u64) -> usize {
        roster.living(at(now)).others.len()
    }

    #[test]
    fn an_operator_lives_while_its_lease_changes() {
        let mut roster = roster();
        roster.saw("a", lease(Some("x"), 1), at(0));
        assert_eq!((living(&roster, 17), living(&roster, 18)), (1, 0));
        assert_eq!(roster.next_end(at(0)), Some(at(18)));
        roster.saw("a", lease(Some("x"), 1), at(10));
        assert_eq!(living(&roster, 18), 0, "a look is no sign of life");
        roster.saw("a", lease(Some("x"), 2), at(20));
        assert_eq!((living(&roster, 20), living(&roster, 38)), (1, 0), "it came back");
        assert_eq!(roster.next_end(at(38)), None);
    }

    #[test]
    fn a_lease_that_is_released_or_deleted_leaves_time_for_the_next_holder() {
        let mut roster = roster();
        roster.saw("a", lease(Some("x"), 1), at(0));
        roster.saw("a", lease(None, 2), at(1));
        assert_eq!((living(&roster, 3), living(&roster, 4)), (1, 0));
        roster.saw("a", lease(Some("y"), 3), at(2));
        assert_eq!(living(&roster, 19), 1);
        roster.deleted("a", at(2));
        assert_eq!((living(&roster, 4), living(&roster, 5)), (1, 0));
        roster.saw("a", lease(Some("y"), 3), at(4));
        assert_eq!(living(&roster, 5), 1, "it was written again");
        roster.saw("b", lease(Some("z"), 1), at(4));
        roster.listed(&["b".to_owned()].into(), at(4));
        assert_eq!((living(&roster, 6), living(&roster, 8)), (2, 1), "a is gone");
    }

    #[test]
    fn one_that_nobody_holds_when_it_is_first_seen_does_not_live() {
        let mut roster = roster();
        roster.saw("a", lease(None, 1), at(0));
        assert_eq!(living(&roster, 0), 0);
    }

    #[test]
    fn another_part_counts_at_once() {
        let mut roster = roster();
        roster.saw("a", lease(Some("x"), 1), at(0));
        let namespaces = Some(["shop".to_owned()].into());
        roster.saw("a", OtherLease { part: Part { namespaces, selector: None }, ..lease(Some("x"), 1) }, at(1));
        assert!(!roster.living(at(1)).others[0].part.covers(None));
    }
}
