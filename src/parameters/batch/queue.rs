//! The names that wait for one kind of call: de-duplicated, by priority and tenant. Pure; time is an argument.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::{
    batch::{batch_window::BatchWindow, isolation::Isolation, requests::QueuedName},
    quota::claim::{Claim, Claims},
};

/// The names that wait for one kind of call. A name waits in the lane of each claim to it.
#[derive(Debug, Default)]
pub(crate) struct RequestQueue {
    pub(super) names: HashMap<ParameterRef, (u64, QueuedName)>,
    /// Parts of failed calls. Each becomes a call of its own.
    pub(super) parts: HashMap<u64, Vec<QueuedName>>,
    pub(super) lanes: BTreeMap<Claim, Lane>,
    pub(super) isolation: Isolation,
    pub(super) window: BatchWindow,
    arrivals: u64,
}

/// What one tenant has waiting with one priority, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Parts of failed calls. They go first.
    pub(super) parts: BTreeMap<u64, Instant>,
    pub(super) names: BTreeMap<u64, ParameterRef>,
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.names.is_empty()
    }
}

impl RequestQueue {
    /// Adds a name. If it waits already, its waiters and claims join.
    pub(crate) fn add(&mut self, mut name: QueuedName) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        if let Some((first, mut waiting)) = self.remove(&name.parameter_ref) {
            waiting.waiters.append(&mut name.waiters);
            let new: Vec<_> = name.claims.drain(..).filter(|claim| !waiting.claims.contains(claim)).collect();
            waiting.claims.extend(new);
            waiting.failures = waiting.failures.max(name.failures);
            waiting.since = waiting.since.min(name.since);
            return self.insert(first, waiting);
        }
        self.insert(arrival, name);
    }

    /// Adds a part of a failed call.
    pub(crate) fn add_part(&mut self, part: Vec<QueuedName>) {
        let Some(since) = part.iter().map(|name| name.since).min() else { return };
        self.arrivals += 1;
        for claim in part.iter().flat_map(|name| &name.claims) {
            self.lanes.entry(claim.clone()).or_default().parts.insert(self.arrivals, since);
        }
        self.parts.insert(self.arrivals, part);
    }

    /// Requests a name alone from now on.
    pub(crate) fn isolate(&mut self, parameter_ref: &ParameterRef, now: Instant) {
        self.isolation.begin(parameter_ref, now);
    }

    /// Requests a name together with others again.
    pub(crate) fn end_isolation(&mut self, parameter_ref: &ParameterRef) {
        self.isolation.end(parameter_ref);
    }

    /// Reports whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Returns what waits: each claim, and since when its oldest name waits.
    pub(crate) fn claims(&self) -> Claims {
        let since = |lane: &Lane| match lane.parts.first_key_value() {
            Some((_, since)) => Some(*since),
            None => lane.names.values().next().and_then(|name| Some(self.names.get(name)?.1.since)),
        };
        self.lanes.iter().filter_map(|(claim, lane)| Some((claim.clone(), since(lane)?))).collect()
    }

    /// Returns what waits of the parts of failed calls, as [`Self::claims`] does.
    pub(crate) fn claims_of_parts(&self) -> Claims {
        let since = |lane: &Lane| lane.parts.first_key_value().map(|(_, since)| *since);
        self.lanes.iter().filter_map(|(claim, lane)| Some((claim.clone(), since(lane)?))).collect()
    }

    /// Returns how many names wait, those of failed calls excluded.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Puts a name at a position in the lanes of all its claims.
    pub(super) fn insert(&mut self, arrival: u64, name: QueuedName) {
        for claim in &name.claims {
            self.lanes.entry(claim.clone()).or_default().names.insert(arrival, name.parameter_ref.clone());
        }
        self.names.insert(name.parameter_ref.clone(), (arrival, name));
    }

    /// Removes a name from all its lanes.
    pub(super) fn remove(&mut self, parameter_ref: &ParameterRef) -> Option<(u64, QueuedName)> {
        let (arrival, name) = self.names.remove(parameter_ref)?;
        for claim in &name.claims {
            self.update_lane(claim, |lane| drop(lane.names.remove(&arrival)));
        }
        Some((arrival, name))
    }

    /// Removes a part of a failed call from all its lanes.
    pub(super) fn remove_part(&mut self, arrival: u64) -> Option<Vec<QueuedName>> {
        let part = self.parts.remove(&arrival)?;
        for claim in part.iter().flat_map(|name| &name.claims) {
            self.update_lane(claim, |lane| {
                lane.parts.remove(&arrival);
            });
        }
        Some(part)
    }

    fn update_lane(&mut self, claim: &Claim, change: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lanes.get_mut(claim) {
            change(lane);
            if lane.is_empty() {
                self.lanes.remove(claim);
            }
        }
    }
}
