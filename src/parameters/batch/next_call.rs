//! The next call: when it is due, and which of the waiting names are in it. Pure; time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::parameters::{
    batch::{
        queue::{Lane, Position, RequestQueue},
        requests::QueuedName,
    },
    port::NAMES_PER_CALL,
    quota::priority::Priority,
};

/// Minimum time between two calls led by names of the same priority, for each step of that priority. It keeps a long
/// queue of aged names from delaying all new ones.
const TURN_INTERVAL: Duration = Duration::from_secs(1);

/// With this many names waiting, calls are full without waiting for more names.
const FULL_BATCH: usize = 10 * NAMES_PER_CALL;

/// How many names that do not fit into a call are skipped in search of some that do.
const MAX_SKIPPED: usize = 100;

impl RequestQueue {
    /// Returns the earliest deadline of a name or a part of a failed call. `None` if nothing waits.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(|(priority, lane)| self.turn(*priority, lane));
        let parts = self.parts.iter().flatten().map(QueuedName::deadline);
        lanes.chain(parts).min()
    }

    /// Returns when the batch window of the next call opened: since when its oldest name waits. `None` if the next call
    /// need not wait for more names, because nothing waits, a hundred names wait, or it is a part of a failed call.
    pub(crate) fn window_opened_at(&self) -> Option<Instant> {
        let may_wait = self.parts.is_empty() && self.names.len() < FULL_BATCH;
        may_wait.then(|| self.names.values().map(|(_, name)| name.since).min()).flatten()
    }

    /// Takes the names of the next call: at most ten, never two selections of one parameter, and an isolated name alone.
    /// Names that nobody waits for any more are dropped. Empty if no names are left.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<QueuedName> {
        while let Some(mut part) = self.parts.pop() {
            part.retain_mut(QueuedName::is_awaited);
            if !part.is_empty() {
                return part;
            }
        }
        let batch = self.take_batch();
        if let Some(first) = batch.first() {
            self.lanes.entry(first.priority).or_default().served = Some(now);
        }
        for lane in self.lanes.values_mut().filter(|lane| lane.order.is_empty()) {
            *lane = Lane { served: lane.served, ..Lane::default() };
        }
        batch
    }

    fn take_batch(&mut self) -> Vec<QueuedName> {
        let mut batch: Vec<QueuedName> = Vec::new();
        let mut skipped = Vec::new();
        while batch.len() < NAMES_PER_CALL && skipped.len() < MAX_SKIPPED {
            let Some((position, mut name)) = self.pop() else { break };
            if !name.is_awaited() {
                continue;
            }
            let is_isolated = self.isolated.contains(&name.parameter_ref);
            let is_same_parameter = |other: &QueuedName| other.parameter_ref.arn == name.parameter_ref.arn;
            if !batch.is_empty() && (is_isolated || batch.iter().any(is_same_parameter)) {
                skipped.push((position, name));
                continue;
            }
            let lane = self.lanes.entry(name.priority).or_default();
            lane.round = lane.round.max(position.0);
            batch.push(name);
            if is_isolated {
                break;
            }
        }
        // Back to where they were: a skipped name keeps its position.
        for (position, name) in skipped {
            self.insert(position, name);
        }
        batch
    }

    /// Takes the name with the earliest turn.
    fn pop(&mut self) -> Option<(Position, QueuedName)> {
        let turns = self.lanes.iter().filter_map(|(priority, lane)| Some((self.turn(*priority, lane)?, *priority)));
        let (_, priority) = turns.min()?;
        let (_, parameter_ref) = self.lanes.get_mut(&priority)?.order.pop_first()?;
        self.names.remove(&parameter_ref)
    }

    /// Returns when a lane is to be served next: at the deadline of its first name, but not sooner after its last turn
    /// than its priority allows.
    fn turn(&self, priority: Priority, lane: &Lane) -> Option<Instant> {
        let (_, parameter_ref) = lane.order.first_key_value()?;
        let deadline = self.names.get(parameter_ref)?.1.deadline();
        Some(lane.served.map_or(deadline, |served| deadline.max(served + TURN_INTERVAL * priority.steps())))
    }
}
