//! The names that wait for one kind of call: de-duplicated, in lanes by priority, fair between tenants. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::{batch::requests::QueuedName, quota::priority::Priority};

/// The names that wait for one kind of call.
#[derive(Debug, Default)]
pub(crate) struct RequestQueue {
    pub(super) names: HashMap<ParameterRef, (Position, QueuedName)>,
    pub(super) lanes: BTreeMap<Priority, Lane>,
    arrivals: u64,
    /// Names that made a call fail. Each is requested alone until it succeeds.
    pub(super) isolated: HashSet<ParameterRef>,
    /// Parts of failed calls. Each becomes a call of its own, before all other names.
    pub(super) parts: Vec<Vec<QueuedName>>,
}

/// Position of a name in its lane: the round, then the order of arrival.
pub(super) type Position = (u64, u64);

/// The names of one priority, in rounds. A tenant has one name in each round, so that a tenant with many names does not
/// delay others.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) order: BTreeMap<Position, ParameterRef>,
    pub(super) round: u64,
    /// The last round that each tenant has a name in.
    pub(super) tenants: HashMap<String, u64>,
    /// When a name of this lane last led a call.
    pub(super) served: Option<Instant>,
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

    /// Puts a name at a position.
    pub(super) fn insert(&mut self, position: Position, name: QueuedName) {
        let lane = self.lanes.entry(name.priority).or_default();
        lane.order.insert(position, name.parameter_ref.clone());
        self.names.insert(name.parameter_ref.clone(), (position, name));
    }
}
