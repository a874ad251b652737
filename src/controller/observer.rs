//! Turns the state of the watches into readiness, metrics and logs, and what AWS calls wait into metrics.

use std::{sync::Arc, time::Duration};

use crate::{
    kubernetes::watch_stream::{WatchName, WatchObserver},
    parameters::WaitObserver,
    telemetry::{health::Health, metrics::Metrics},
};

/// Turns the state of the watches into readiness, metrics and logs.
pub(crate) struct Observer {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
}

impl WatchObserver for Observer {
    fn listed(&self, watch: &WatchName) {
        self.health.open(&watch.to_string());
    }

    fn failed(&self, watch: &WatchName, message: &str) {
        self.metrics.watch_error(watch.resource);
        // Logged once for each message, since a watch may fail every few seconds.
        if self.health.warn(&watch.to_string(), message) {
            tracing::warn!(watch = watch.resource, namespace = watch.namespace.as_deref(), "{message}");
        }
        if watch.namespace.is_some() {
            // What readiness waits for are all watches of a resource together.
            self.health.warn(watch.resource, message);
        }
    }

    fn forgone(&self, watch: &WatchName, message: &str) {
        // Not the gate of the watch, which opens without a list.
        if self.health.warn(&format!("without {watch}"), message) {
            tracing::info!(watch = watch.resource, "{message}");
        }
    }
}

/// Counts how long AWS calls wait for their turn.
pub(crate) struct Waits(pub(crate) Arc<Metrics>);

impl WaitObserver for Waits {
    fn waited(&self, quota: &'static str, wait: Duration) {
        self.0.call_waited(quota, wait);
    }
}
