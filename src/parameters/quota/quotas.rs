//! The budgets of all accounts and regions, each shared by every store there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::api::DEFAULT_REQUESTS_PER_SECOND;
use crate::parameters::TokenBucket;

/// Calls of `DescribeParameters` a second, of three that an account has by default (AWS General Reference, Systems
/// Manager quotas).
const DESCRIPTIONS_PER_SECOND: i32 = 1;
/// Calls of KMS a second. An account has thousands (KMS Developer Guide, request quotas).
const KEY_CALLS_PER_SECOND: i32 = 50;

/// How fast the services of one account and region may be asked.
#[derive(Debug)]
pub struct RateLimits {
    /// `GetParameters` and `GetParametersByPath`.
    pub parameters: TokenBucket,
    /// `DescribeParameters`.
    pub descriptions: TokenBucket,
    /// KMS.
    pub keys: TokenBucket,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            parameters: TokenBucket::new(DEFAULT_REQUESTS_PER_SECOND),
            descriptions: TokenBucket::new(DESCRIPTIONS_PER_SECOND),
            keys: TokenBucket::new(KEY_CALLS_PER_SECOND),
        }
    }
}

/// All budgets, with the rates that stores state for them: the lowest counts.
#[derive(Debug, Default)]
pub struct Quotas {
    places: Mutex<BTreeMap<(String, String), Stated>>,
}

#[derive(Debug, Default)]
struct Stated {
    budgets: Arc<RateLimits>,
    rates: BTreeMap<String, i32>,
}

impl Quotas {
    /// The budgets of an account and region.
    pub fn budgets(&self, account: &str, region: &str) -> Arc<RateLimits> {
        self.lock().entry((account.to_owned(), region.to_owned())).or_default().budgets.clone()
    }

    /// Notes what `store` states for an account and region, or that it states nothing, and drops what it stated
    /// elsewhere before. Answers with the rate that now counts there.
    pub fn state(&self, store: &str, account: &str, region: &str, requests_per_second: Option<i32>) -> i32 {
        let mut places = self.lock();
        withdraw(&mut places, store);
        let stated = places.entry((account.to_owned(), region.to_owned())).or_default();
        if let Some(rate) = requests_per_second {
            stated.rates.insert(store.to_owned(), rate);
        }
        stated.apply()
    }

    /// Forgets what a store stated.
    pub fn forget(&self, store: &str) {
        withdraw(&mut self.lock(), store);
    }

    /// Account, region and budgets of every place that was ever asked.
    pub fn places(&self) -> Vec<(String, String, Arc<RateLimits>)> {
        let places = self.lock();
        places.iter().map(|((account, region), s)| (account.clone(), region.clone(), s.budgets.clone())).collect()
    }

    /// Waits until all calls under way are over and recorded. None begins from now on.
    pub async fn close(&self) {
        let close = |(_, _, budgets): (String, String, Arc<RateLimits>)| async move {
            tokio::join!(budgets.parameters.close(), budgets.descriptions.close(), budgets.keys.close())
        };
        futures::future::join_all(self.places().into_iter().map(close)).await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Stated>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn withdraw(places: &mut BTreeMap<(String, String), Stated>, store: &str) {
    for stated in places.values_mut() {
        if stated.rates.remove(store).is_some() {
            stated.apply();
        }
    }
}

impl Stated {
    fn apply(&self) -> i32 {
        let rate = self.rates.values().min().copied().unwrap_or(DEFAULT_REQUESTS_PER_SECOND);
        self.budgets.parameters.state(rate);
        rate
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_is_everywhere_at_once() {
        let quotas = Quotas::default();
        let [here, there] = ["here", "there"].map(|region| quotas.budgets("1", region));
        let in_flight = here.parameters.acquire(Instant::now()).await;
        let mut end = pin!(quotas.close());
        assert!(poll!(&mut end).is_pending());
        assert!(poll!(pin!(there.parameters.acquire(Instant::now()))).is_pending());
        drop(in_flight);
        assert!(poll!(end).is_ready());
    }

    #[test]
    fn the_lowest_stated_rate_counts() {
        let quotas = Quotas::default();
        let stated = |quotas: &Quotas| quotas.budgets("1", "r").parameters.stated();
        assert!((stated(&quotas) - f64::from(DEFAULT_REQUESTS_PER_SECOND)).abs() < 0.01);
        assert_eq!(quotas.state("a", "1", "r", Some(30)), 30);
        assert_eq!(quotas.state("b", "1", "r", Some(5)), 5);
        assert_eq!(quotas.state("c", "1", "r", None), 5);
        assert_eq!(quotas.state("b", "2", "r", Some(5)), 5);
        assert!((stated(&quotas) - 30.0).abs() < 0.01, "b moved to another account");
        quotas.forget("a");
        assert!((stated(&quotas) - f64::from(DEFAULT_REQUESTS_PER_SECOND)).abs() < 0.01);
    }
}
