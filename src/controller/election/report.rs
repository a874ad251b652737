//! What people are told of an election: log, readiness and metrics.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::controller::election::GATE;
use crate::telemetry::{
    health::Health,
    metrics::{Metrics, labels::LeadChange},
};

/// Time between two warnings that a second operator runs.
const REPEAT: Duration = Duration::from_secs(60);

/// Tells people about an election.
pub(crate) struct Report {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether other operators may stand by.
    pub(crate) elects: bool,
    /// Namespace and name of the Lease.
    pub(crate) lease: String,
    /// The leader that was last reported.
    leader: Option<String>,
    warned_at: Option<Instant>,
}

impl Report {
    /// Begins a report. A process that may stand by is ready while it does; another one only when it works.
    pub(crate) fn new(health: Arc<Health>, metrics: Arc<Metrics>, elects: bool) -> Self {
        let report = Self { health, metrics, elects, lease: String::new(), leader: None, warned_at: None };
        if elects {
            report.health.open(GATE);
        } else {
            report.health.close(GATE, "Waiting for an answer about the Lease.");
        }
        report
    }

    /// This process leads.
    pub(crate) fn leads(&self) {
        self.health.open(GATE);
    }

    /// This process became the leader.
    pub(crate) fn became_leader(&mut self, transitions: i32) {
        self.leader = None;
        self.metrics.lease_transitions(transitions);
        self.metrics.lead_changed(LeadChange::Acquired);
        tracing::info!(lease = self.lease, transitions, "became the leader");
    }

    /// Another process holds the Lease, and has renewed it since this one looked first if `is_alive`.
    pub(crate) fn waits(&mut self, holder: &str, is_alive: bool, duration: Duration, transitions: i32) {
        self.metrics.lease_transitions(transitions);
        let is_new = self.leader.as_deref() != Some(holder);
        self.leader = Some(holder.to_owned());
        let lease = &self.lease;
        if self.elects {
            self.health.open(GATE);
            if is_new {
                tracing::info!(lease, leader = holder, "stands by while another process leads");
            }
            return;
        }
        if !is_alive {
            let seconds = duration.as_secs();
            let sentence = format!(
                "{holder} held the Lease {lease} last; this operator waits until it was not renewed for {seconds} seconds."
            );
            if self.health.close(GATE, &sentence) {
                tracing::info!("{sentence}");
            }
            return;
        }
        let sentence = format!(
            "Another operator, {holder}, holds the Lease {lease}, so this one writes nothing until that one has ended; run \
             only one, or all with --leader-elect."
        );
        self.health.close(GATE, &sentence);
        if is_new || self.warned_at.is_none_or(|at| at.elapsed() >= REPEAT) {
            self.warned_at = Some(Instant::now());
            tracing::warn!("{sentence}");
        }
    }

    /// The process led and does not any more. `cause` continues the sentence.
    pub(crate) fn lost(&self, cause: &str) {
        self.metrics.lead_changed(LeadChange::Lost);
        tracing::warn!(lease = self.lease, "does not lead any more: {cause}");
    }

    /// The process has no Lease, because the API server forbids it, and works without.
    pub(crate) fn goes_without(&self, message: &str) {
        self.health.open(GATE);
        tracing::warn!(
            "The operator may not use the Lease {}, so it cannot notice a second operator and goes on without ({message}); \
             grant it the chart's Role for Leases.",
            self.lease
        );
    }

    /// The process cannot take part in the election, because the API server forbids it.
    pub(crate) fn forbidden(&self, message: &str) {
        let sentence = format!(
            "The operator may not use the Lease {}, so it never leads ({message}); grant it the chart's Role for Leases, or \
             run one operator without --leader-elect.",
            self.lease
        );
        if self.health.close(GATE, &sentence) {
            tracing::error!("{sentence}");
        }
    }

    /// A request for the Lease failed.
    pub(crate) fn failed(&self, message: &str) {
        let sentence = format!("A request for the Lease {} failed ({message}); the operator retries.", self.lease);
        if self.health.warn(GATE, &sentence) {
            tracing::warn!("{sentence}");
        }
    }
}
