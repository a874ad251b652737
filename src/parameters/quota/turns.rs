//! Whose turn it is. Pure.
//!
//! Two rules, one within the other. Priorities share the calls by weight: stride scheduling, in which each has a virtual
//! time that advances by `1 / weight` with a call, and the one that is behind goes next. Within a priority, tenants take
//! turns: fair queueing, in which each has a virtual time that advances with its share of a call. Who had nothing to call
//! for meanwhile saves up nothing.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::parameters::quota::{
    claim::{Claim, Claims, Tenant},
    priority::Priority,
};

/// Number of tenants from which a lane forgets those who are ahead by one call at most. It costs the others one turn.
const PRUNE_FROM: usize = 64;

/// The virtual times of all priorities and tenants.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// That of the priority that was served last.
    time: f64,
    lanes: [Lane; Priority::COUNT],
}

/// One priority.
#[derive(Debug, Default)]
struct Lane {
    /// Its virtual time among the priorities.
    time: f64,
    /// That of the tenant that was served last.
    tenant_time: f64,
    /// Tenants that are ahead of it.
    tenants: HashMap<Tenant, f64>,
    prune_at: usize,
}

impl Turns {
    /// Returns the place in the queue whose turn is next, and its claim. `None` if nothing is claimed.
    pub(crate) fn next<'a>(&self, places: impl Iterator<Item = (u64, &'a Claims)>) -> Option<(u64, Claim)> {
        let claims = places.flat_map(|(place, claims)| claims.iter().map(move |(claim, since)| (place, claim, *since)));
        let (_, place, claim) = claims
            .map(|(place, claim, since)| (self.rank(claim, since), place, claim))
            .min_by(|(one, ..), (other, ..)| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal))?;
        Some((place, claim.clone()))
    }

    /// The order of claims: by virtual time of the priority, then by that of the tenant, then by age.
    fn rank(&self, claim: &Claim, since: Instant) -> (f64, Priority, f64, Instant) {
        let lane = self.lane(claim.priority);
        (lane.time.max(self.time), claim.priority, lane.time_of(&claim.tenant), since)
    }

    /// Notes that the turn of a claim has come. What its call holds is charged later.
    pub(crate) fn begin(&mut self, claim: &Claim) {
        let now = self.lane(claim.priority).time.max(self.time);
        self.time = now;
        let lane = self.lane_mut(claim.priority);
        lane.time = now + 1.0 / claim.priority.weight();
        lane.tenant_time = lane.time_of(&claim.tenant);
    }

    /// Charges a share of a call to a claim, from 0 to 1.
    pub(crate) fn charge(&mut self, claim: &Claim, share: f64) {
        let lane = self.lane_mut(claim.priority);
        let time = lane.time_of(&claim.tenant) + share;
        lane.tenants.insert(claim.tenant.clone(), time);
        if lane.tenants.len() > lane.prune_at.max(PRUNE_FROM) {
            let reached = lane.tenant_time + 1.0;
            lane.tenants.retain(|_, time| *time > reached);
            lane.prune_at = 2 * lane.tenants.len();
        }
    }

    const fn lane(&self, priority: Priority) -> &Lane {
        &self.lanes[priority as usize]
    }

    const fn lane_mut(&mut self, priority: Priority) -> &mut Lane {
        &mut self.lanes[priority as usize]
    }
}

impl Lane {
    fn time_of(&self, tenant: &str) -> f64 {
        self.tenants.get(tenant).copied().unwrap_or_default().max(self.tenant_time)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Serves `count` calls of tenants who always have something to call for. Returns the calls of each.
    fn serve(turns: &mut Turns, claims: &[(Priority, &str)], count: usize) -> BTreeMap<String, usize> {
        let now = Instant::now();
        let offers: Vec<Claims> =
            claims.iter().map(|(priority, tenant)| [(Claim::new(*priority, tenant), now)].into()).collect();
        let mut served = BTreeMap::new();
        for _ in 0..count {
            let (_, claim) = turns.next((0..).zip(&offers)).expect("a claim");
            turns.begin(&claim);
            turns.charge(&claim, 1.0);
            *served.entry(format!("{:?} {}", claim.priority, claim.tenant)).or_default() += 1;
        }
        served
    }

    #[test]
    fn priorities_share_the_calls_by_weight_and_none_starves() {
        let claims = [(Priority::New, "a"), (Priority::Sweep, "b"), (Priority::Retry, "c")];
        let served = serve(&mut Turns::default(), &claims, 260);
        assert_eq!(served.into_values().collect::<Vec<_>>(), [160, 20, 80]);
    }

    #[test]
    fn tenants_take_turns_within_a_priority() {
        let mut turns = Turns::default();
        serve(&mut turns, &[(Priority::New, "busy")], 1_000);
        let served = serve(&mut turns, &[(Priority::New, "busy"), (Priority::New, "late")], 10);
        assert_eq!(served.into_values().collect::<Vec<_>>(), [5, 5], "what went before does not count");
    }

    #[test]
    fn a_tenant_that_was_idle_has_saved_up_nothing() {
        let mut turns = Turns::default();
        serve(&mut turns, &[(Priority::New, "idle"), (Priority::Sweep, "idle")], 30);
        serve(&mut turns, &[(Priority::New, "busy")], 1_000);
        let served = serve(&mut turns, &[(Priority::New, "busy"), (Priority::Sweep, "idle")], 30);
        assert_eq!(served.into_values().collect::<Vec<_>>(), [20, 10]);
    }

    #[test]
    fn a_tenant_pays_for_its_share_of_a_call_alone() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        let (shares, alone) = (Claim::new(Priority::New, "shares"), Claim::new(Priority::New, "alone"));
        let offer: Claims = [(shares.clone(), now), (alone.clone(), now)].into();
        let mut served = [0, 0];
        for _ in 0..110 {
            let (_, claim) = turns.next(std::iter::once((0, &offer))).expect("a claim");
            turns.begin(&claim);
            turns.charge(&claim, if claim == shares { 0.1 } else { 1.0 });
            served[usize::from(claim == alone)] += 1;
        }
        assert_eq!(served, [100, 10]);
    }

    #[test]
    fn tenants_that_are_hardly_ahead_are_forgotten() {
        let mut turns = Turns::default();
        for number in 0..10_000 {
            serve(&mut turns, &[(Priority::New, &number.to_string())], 1);
        }
        assert!(turns.lanes[0].tenants.len() <= 2 * PRUNE_FROM, "{}", turns.lanes[0].tenants.len());
    }
}
