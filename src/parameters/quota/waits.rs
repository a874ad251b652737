//! Tells how long AWS calls waited for their turn.

use std::{fmt, sync::Arc, time::Duration};

/// Receives how long calls waited. Never blocks.
pub(crate) trait WaitObserver: Send + Sync + 'static {
    /// Called when a call within this quota gets its turn.
    fn waited(&self, quota: &'static str, wait: Duration);
}

/// The observer of one quota, if there is one.
#[derive(Clone, Default)]
pub(crate) struct WaitReporter {
    quota: &'static str,
    observer: Option<Arc<dyn WaitObserver>>,
}

impl fmt::Debug for WaitReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitReporter").field(&self.quota).finish()
    }
}

impl WaitReporter {
    /// Returns the reporter of a quota.
    pub(crate) const fn new(quota: &'static str, observer: Option<Arc<dyn WaitObserver>>) -> Self {
        Self { quota, observer }
    }

    /// Reports that a call gets its turn.
    pub(crate) fn waited(&self, wait: Duration) {
        if let Some(observer) = &self.observer {
            observer.waited(self.quota, wait);
        }
    }
}
