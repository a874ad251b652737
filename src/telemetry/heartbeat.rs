//! Liveness: whether the thread that reconciles still runs.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::sleep;

/// Time between two beats.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longest time without a beat. No reconcile keeps the thread for nearly as long, even on a slow node.
const BOUND: Duration = Duration::from_secs(15);

/// When the reconciling thread last ran. It beats, and another thread looks.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    last: Mutex<Instant>,
    interval: Duration,
    bound: Duration,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self::new(INTERVAL, BOUND)
    }
}

impl Heartbeat {
    /// Creates a heartbeat with this time between two beats and this longest time without.
    pub(crate) fn new(interval: Duration, bound: Duration) -> Self {
        Self { last: Mutex::new(Instant::now()), interval, bound }
    }

    /// Beats for as long as the thread that polls it runs.
    pub(crate) async fn beat(&self) {
        loop {
            *self.last.lock() = Instant::now();
            sleep(self.interval).await;
        }
    }

    /// Returns how long there was no beat, if that is too long.
    pub(crate) fn overdue(&self) -> Option<Duration> {
        Some(self.silence()).filter(|silence| *silence > self.bound)
    }

    /// Returns the time since the last beat.
    pub(crate) fn silence(&self) -> Duration {
        self.last.lock().elapsed()
    }
}
