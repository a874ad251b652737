//! How often a store is reconciled. Whoever annotates the Secret with its credentials in a loop, or changes its spec in one,
//! triggers it without end, and each reconcile reads that Secret.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::api::StoreKind;
use crate::controller::index::StoreKey;

/// Reconciles of one store that may follow each other at once.
const BURST: u32 = 5;
/// Delay after a burst. It doubles with each further reconcile.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Longest delay of a namespaced store. Changes of a cluster store, which belongs to the platform team, never wait for
/// longer than the first delay, since they may withdraw a grant.
const LONGEST_DELAY: Duration = Duration::from_secs(8);
/// Time without a reconcile that makes up for one.
const RECOVERY: Duration = Duration::from_secs(8);

/// The recent reconciles of all stores. Outlives the stores, so that deleting a store and creating it again gains nothing.
#[derive(Default)]
pub(crate) struct Pace {
    stores: Mutex<HashMap<StoreKey, Recent>>,
}

#[derive(Clone, Copy)]
struct Recent {
    last: Instant,
    count: u32,
}

impl Recent {
    /// Returns the count that is left after the time since the last reconcile.
    fn recovered(self, now: Instant) -> u32 {
        let steps = now.saturating_duration_since(self.last).as_secs() / RECOVERY.as_secs();
        self.count.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX))
    }

    fn wait(self, longest: Duration, now: Instant) -> Duration {
        let Some(beyond) = self.count.checked_sub(BURST) else { return Duration::ZERO };
        let delay = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(beyond)).min(longest);
        delay.saturating_sub(now.saturating_duration_since(self.last))
    }
}

impl Pace {
    /// Counts a reconcile that may begin now.
    ///
    /// # Errors
    /// How long to wait instead.
    pub(crate) fn admit(&self, store: &StoreKey, now: Instant) -> Result<(), Duration> {
        let longest = match store.kind {
            StoreKind::ClusterParameterStore => FIRST_DELAY,
            StoreKind::ParameterStore => LONGEST_DELAY,
        };
        let mut stores = self.stores.lock();
        let recent = stores.entry(store.clone()).or_insert(Recent { last: now, count: 0 });
        let wait = recent.wait(longest, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        *recent = Recent { last: now, count: recent.recovered(now).saturating_add(1) };
        Ok(())
    }

    /// Removes the stores that were not reconciled recently.
    pub(crate) fn prune(&self, now: Instant) {
        self.stores.lock().retain(|_, recent| recent.recovered(now) > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(kind: StoreKind) -> StoreKey {
        StoreKey { kind, namespace: None, name: "store".to_owned() }
    }

    /// Returns the times, in seconds, at which a store is reconciled that is triggered ten times a second.
    fn reconciles(kind: StoreKind, seconds: u64) -> Vec<u64> {
        let (pace, store, start) = (Pace::default(), store(kind), Instant::now());
        let times = (0..seconds * 10).map(|tenth| Duration::from_millis(tenth * 100));
        times.filter(|time| pace.admit(&store, start + *time).is_ok()).map(|time| time.as_secs()).collect()
    }

    #[test]
    fn a_store_that_is_triggered_all_the_time_slows_down() {
        assert_eq!(reconciles(StoreKind::ParameterStore, 64), [0, 0, 0, 0, 0, 1, 3, 7, 15, 23, 31, 39, 47, 55, 63]);
        assert_eq!(reconciles(StoreKind::ClusterParameterStore, 4), [0, 0, 0, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn the_wait_is_told_and_forgotten_after_a_while() {
        let (pace, store, start) = (Pace::default(), store(StoreKind::ParameterStore), Instant::now());
        for _ in 0..BURST {
            assert_eq!(pace.admit(&store, start), Ok(()));
        }
        assert_eq!(pace.admit(&store, start + Duration::from_millis(400)), Err(Duration::from_millis(600)));
        pace.prune(start + 4 * RECOVERY);
        assert_eq!(pace.stores.lock().len(), 1);
        pace.prune(start + 5 * RECOVERY);
        assert!(pace.stores.lock().is_empty());
    }
}
