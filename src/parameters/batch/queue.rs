//! The names that wait for one kind of call: de-duplicated, ordered by deadline, fair between tenants. Pure; time is an
//! argument.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::{batch::requests::QueuedName, port::NAMES_PER_CALL, quota::priority::Priority};

/// Minimum time between two calls led by names of the same priority, for each step of that priority. It keeps a long
/// queue of aged names from delaying all new ones.
const TURN_INTERVAL: Duration = Duration::from_secs(1);

/// With this many names waiting, calls are full without waiting for more names.
const FULL_BATCH: usize = 10 * NAMES_PER_CALL;

/// How many names that do not fit into a call are skipped in search of some that do.
const MAX_SKIPPED: usize = 100;

/// The names that wait for one kind of call.
#[derive(Debug, Default)]
pub(crate) struct RequestQueue {
    names: HashMap<ParameterRef, (Position, QueuedName)>,
    lanes: BTreeMap<Priority, Lane>,
    arrivals: u64,
    /// Names that made a call fail. Each is requested alone until it succeeds.
    isolated: HashSet<ParameterRef>,
    /// Parts of failed calls. Each becomes a call of its own, before all other names.
    parts: Vec<Vec<QueuedName>>,
}

/// Position of a name in its lane: the round, then the order of arrival.
type Position = (u64, u64);

/// The names of one priority, in rounds. A tenant has one name in each round, so that a tenant with many names does not
/// delay others.
#[derive(Debug, Default)]
struct Lane {
    order: BTreeMap<Position, ParameterRef>,
    round: u64,
    /// The last round that each tenant has a name in.
    tenants: HashMap<String, u64>,
    /// When a name of this lane last led a call.
    served: Option<Instant>,
}

impl RequestQueue {
    /// Adds a name. If the name waits already, its waiters join, and it moves forward if the new position is better.
    pub(crate) fn add(&mut self, mut name: QueuedName) {
        self.arrivals += 1;
        let lane = self.lanes.entry(name.priority).or_default();
        let last = lane.tenants.get(&name.tenant).copied().unwrap_or_default();
        let position = ((last + 1).max(lane.round), self.arrivals);
        if let Some((former, waiting)) = self.names.get_mut(&name.parameter_ref) {
            waiting.waiters.append(&mut name.waiters);
            waiting.failures = waiting.failures.max(name.failures);
            waiting.since = waiting.since.min(name.since);
            let (former, former_priority) = (*former, waiting.priority);
            if (former_priority, former) <= (name.priority, position) {
                return;
            }
            if let Some(lane) = self.lanes.get_mut(&former_priority) {
                lane.order.remove(&former);
            }
            let Some((_, waiting)) = self.names.remove(&name.parameter_ref) else { return };
            name = QueuedName { priority: name.priority, tenant: name.tenant, ..waiting };
        }
        self.lanes.entry(name.priority).or_default().tenants.insert(name.tenant.clone(), position.0);
        self.insert(position, name);
    }

    /// Adds a part of a failed call.
    pub(crate) fn add_part(&mut self, part: Vec<QueuedName>) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// Requests a name alone from now on.
    pub(crate) fn isolate(&mut self, parameter_ref: &ParameterRef) {
        self.isolated.insert(parameter_ref.clone());
    }

    /// Requests a name together with others again.
    pub(crate) fn end_isolation(&mut self, parameter_ref: &ParameterRef) {
        self.isolated.remove(parameter_ref);
    }

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

    fn insert(&mut self, position: Position, name: QueuedName) {
        let lane = self.lanes.entry(name.priority).or_default();
        lane.order.insert(position, name.parameter_ref.clone());
        self.names.insert(name.parameter_ref.clone(), (position, name));
    }
}
