//! The next call: when it need not wait for more names, and which names are in it. Pure; time is an argument.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::{
    batch::{queue::RequestQueue, requests::QueuedName},
    port::NAMES_PER_CALL,
    quota::claim::Claim,
};

/// With this many names waiting, calls are full without waiting for more names.
const FULL_BATCH: usize = 10 * NAMES_PER_CALL;

/// How many names that do not fit into a call are skipped in search of some that do.
const MAX_SKIPPED: usize = 100;

/// The names of a call, and how many of them each claim has taken.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) names: Vec<QueuedName>,
    taken: BTreeMap<Claim, usize>,
}

impl Batch {
    /// Returns the share of the call that each claim pays. The shares are one in total.
    pub(crate) fn shares(&self) -> Vec<(Claim, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "at most ten names")]
        let share = |taken: usize| taken as f64 / self.names.len().max(1) as f64;
        self.taken.iter().map(|(claim, taken)| (claim.clone(), share(*taken))).collect()
    }

    fn push(&mut self, claim: &Claim, name: QueuedName) {
        *self.taken.entry(claim.clone()).or_default() += 1;
        self.names.push(name);
    }

    fn is_full(&self) -> bool {
        self.names.len() == NAMES_PER_CALL
    }
}

impl RequestQueue {
    /// Returns until when the next call waits for more names. `None` if it need not wait, because nothing waits or a
    /// hundred names do.
    pub(crate) fn window_ends_at(&self) -> Option<Instant> {
        if self.len() >= FULL_BATCH {
            return None;
        }
        let (_, oldest) = self.names.values().min_by_key(|(_, name)| name.since)?;
        // An isolated name waits for none that could join it.
        let names = if self.isolation.contains(&oldest.parameter_ref) { NAMES_PER_CALL } else { self.len() };
        Some(self.window.ends_at(names, oldest.since))
    }

    /// Takes the names of a call whose turn this claim is: at most ten, never two selections of one parameter, and an
    /// isolated name alone. First those of the claim, then those of others in turns. Names that nobody waits for any
    /// more are dropped. Empty if the claim has no names left. The call begins now.
    pub(crate) fn take(&mut self, claim: &Claim, now: Instant) -> Batch {
        let mut batch = Batch::default();
        while let Some(arrival) = self.lanes.get(claim).and_then(|lane| lane.parts.keys().next().copied()) {
            let mut part = self.remove_part(arrival).unwrap_or_default();
            part.retain_mut(QueuedName::is_awaited);
            if !part.is_empty() {
                for name in part {
                    batch.push(claim, name);
                }
                return batch;
            }
        }
        let mut skipped = 0;
        self.take_from(claim, &mut batch, NAMES_PER_CALL, &mut skipped);
        let is_alone = batch.names.first().is_none_or(|name| self.isolation.contains(&name.parameter_ref));
        if !is_alone {
            self.fill(claim, &mut batch, skipped);
            // Isolated names and parts of calls come one by one, and are no burst.
            self.window.call_began(now);
        }
        batch
    }

    /// Fills a call with the names of other claims: of the same priority first, one name of each in turn.
    fn fill(&mut self, leader: &Claim, batch: &mut Batch, mut skipped: usize) {
        // Those after the leader go first, so that the same ones are not always left out.
        let is_before = |claim: &Claim| (claim.priority == leader.priority, claim <= leader);
        let mut claims: Vec<_> = self.lanes.keys().filter(|claim| *claim != leader).cloned().collect();
        claims.sort_by_key(|claim| match is_before(claim) {
            (true, false) => (0, claim.clone()),
            (true, true) => (1, claim.clone()),
            (false, _) => (2, claim.clone()),
        });
        let mut claims: Vec<_> = claims.into_iter().filter(|claim| self.lanes[claim].parts.is_empty()).collect();
        while !batch.is_full() && skipped < MAX_SKIPPED && !claims.is_empty() {
            claims.retain(|claim| {
                let before = batch.names.len();
                self.take_from(claim, batch, 1, &mut skipped);
                batch.names.len() > before
            });
        }
    }

    /// Moves up to `most` names of a claim into a call.
    fn take_from(&mut self, claim: &Claim, batch: &mut Batch, most: usize, skipped: &mut usize) {
        let (mut after, mut moved) = (0, 0);
        while moved < most && !batch.is_full() && *skipped < MAX_SKIPPED {
            let Some((arrival, parameter_ref)) = self.name_after(claim, after) else { return };
            after = arrival;
            let is_isolated = self.isolation.contains(&parameter_ref);
            let is_same_parameter = |other: &QueuedName| other.parameter_ref.arn == parameter_ref.arn;
            if !batch.names.is_empty() && (is_isolated || batch.names.iter().any(is_same_parameter)) {
                *skipped += 1;
                continue;
            }
            let Some((_, mut name)) = self.remove(&parameter_ref) else { return };
            if !name.is_awaited() {
                continue;
            }
            batch.push(claim, name);
            moved += 1;
            if is_isolated {
                return;
            }
        }
    }

    /// Returns the first name of a claim that arrived later than this.
    fn name_after(&self, claim: &Claim, arrival: u64) -> Option<(u64, ParameterRef)> {
        let (arrival, name) = self.lanes.get(claim)?.names.range(arrival + 1..).next()?;
        Some((*arrival, name.clone()))
    }
}
