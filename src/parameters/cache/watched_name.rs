//! One watched name: its subscribers, and what was last observed of it. Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::small_map::SmallMap;
use crate::parameters::cache::{
    observation::Observation,
    subscription::{Subscriber, WatchOptions},
    version_order::NewestSeen,
};

/// What is known of one name.
#[derive(Debug, Default)]
pub(crate) struct WatchedName {
    /// The subscribers, and how each watches it.
    pub(crate) subscribers: SmallMap<Subscriber, WatchOptions>,
    /// The class that it is swept with. `None` if it is not polled.
    pub(crate) interval: Option<Duration>,
    /// What was last observed.
    pub(crate) observation: Option<Observation>,
    /// The newest version that was seen.
    pub(crate) newest: NewestSeen,
    /// When it was last checked, or became known otherwise.
    pub(crate) checked_at: Option<Instant>,
    /// When it was last observed to differ from before.
    pub(crate) changed_at: Option<Instant>,
}

impl WatchedName {
    /// Returns the shortest of an interval of all subscribers.
    pub(crate) fn shortest(&self, interval: impl Fn(&WatchOptions) -> Option<Duration>) -> Option<Duration> {
        self.subscribers.values().filter_map(interval).min()
    }

    /// Reports whether the parameter is known not to be encrypted.
    pub(crate) fn is_plain(&self) -> bool {
        let metadata = self.observation.as_ref().and_then(|observation| observation.result.as_ref().ok());
        metadata.is_some_and(|metadata| &*metadata.type_ != "SecureString")
    }
}
