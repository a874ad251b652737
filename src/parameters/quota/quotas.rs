//! The rate limits of all accounts and regions, each shared by every store there.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::api::DEFAULT_REQUESTS_PER_SECOND;
use crate::parameters::quota::admission::Admission;

/// `DescribeParameters` calls a second. An account has three by default (AWS General Reference, Systems Manager
/// quotas).
const DESCRIPTIONS_PER_SECOND: i32 = 1;
/// KMS calls a second. An account has thousands (KMS Developer Guide, request quotas).
const KMS_CALLS_PER_SECOND: i32 = 50;

/// The admission points of one account and region.
#[derive(Debug)]
pub(crate) struct RateLimits {
    /// `GetParameters` and `GetParametersByPath`.
    pub(crate) parameters: Admission,
    /// `DescribeParameters`.
    pub(crate) descriptions: Admission,
    /// KMS.
    pub(crate) kms: Admission,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            parameters: Admission::new(DEFAULT_REQUESTS_PER_SECOND),
            descriptions: Admission::new(DESCRIPTIONS_PER_SECOND),
            kms: Admission::new(KMS_CALLS_PER_SECOND),
        }
    }
}

/// All rate limits. Where several stores set one for the same account and region, the lowest applies.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    regions: Mutex<BTreeMap<Region, Quota>>,
}

/// Account and region.
type Region = (String, String);

/// The quota of one account and region.
#[derive(Debug, Default)]
struct Quota {
    limits: Arc<RateLimits>,
    /// Requests a second, by the store that sets them.
    requests_per_second: BTreeMap<String, i32>,
}

impl Quotas {
    /// Returns the rate limits of an account and region.
    pub(crate) fn rate_limits(&self, account: &str, region: &str) -> Arc<RateLimits> {
        self.regions.lock().entry((account.to_owned(), region.to_owned())).or_default().limits.clone()
    }

    /// Sets what `store` allows in an account and region (`None`: no limit of its own), and removes what it set
    /// elsewhere. Returns the requests a second that now apply there.
    pub(crate) fn set(&self, store: &str, account: &str, region: &str, requests_per_second: Option<i32>) -> i32 {
        let mut regions = self.regions.lock();
        remove(&mut regions, store);
        let quota = regions.entry((account.to_owned(), region.to_owned())).or_default();
        if let Some(requests_per_second) = requests_per_second {
            quota.requests_per_second.insert(store.to_owned(), requests_per_second);
        }
        quota.apply()
    }

    /// Removes what a store set.
    pub(crate) fn forget(&self, store: &str) {
        remove(&mut self.regions.lock(), store);
    }

    /// Removes the accounts and regions that no reader uses and no store limits.
    pub(crate) fn prune(&self) {
        self.regions
            .lock()
            .retain(|_, quota| !quota.requests_per_second.is_empty() || Arc::strong_count(&quota.limits) > 1);
    }

    /// Returns account, region and rate limits of every account and region in use.
    pub(crate) fn all(&self) -> Vec<(String, String, Arc<RateLimits>)> {
        let regions = self.regions.lock();
        regions
            .iter()
            .map(|((account, region), quota)| (account.clone(), region.clone(), quota.limits.clone()))
            .collect()
    }

    /// Waits until all calls in flight have ended and are recorded. No call begins from now on.
    pub(crate) async fn close(&self) {
        let close = |(_, _, limits): (String, String, Arc<RateLimits>)| async move {
            tokio::join!(limits.parameters.close(), limits.descriptions.close(), limits.kms.close())
        };
        futures::future::join_all(self.all().into_iter().map(close)).await;
    }
}

fn remove(regions: &mut BTreeMap<Region, Quota>, store: &str) {
    for quota in regions.values_mut() {
        if quota.requests_per_second.remove(store).is_some() {
            quota.apply();
        }
    }
}

impl Quota {
    fn apply(&self) -> i32 {
        let lowest = self.requests_per_second.values().min().copied().unwrap_or(DEFAULT_REQUESTS_PER_SECOND);
        self.limits.parameters.set_limit(lowest);
        lowest
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;
    use crate::parameters::quota::{claim::Claim, priority::Priority};

    fn claim() -> [Claim; 1] {
        [Claim::new(Priority::New, "shop")]
    }

    #[tokio::test(start_paused = true)]
    async fn closing_stops_all_regions_at_once() {
        let quotas = Quotas::default();
        let [here, there] = ["here", "there"].map(|region| quotas.rate_limits("1", region));
        let in_flight = here.parameters.acquire(claim()).await;
        let mut closed = pin!(quotas.close());
        assert!(poll!(&mut closed).is_pending());
        assert!(poll!(pin!(there.parameters.acquire(claim()))).is_pending());
        drop(in_flight);
        assert!(poll!(closed).is_ready());
    }

    #[test]
    fn accounts_that_nobody_uses_are_removed() {
        let quotas = Quotas::default();
        let used = quotas.rate_limits("used", "r");
        quotas.rate_limits("unused", "r");
        quotas.set("store", "limited", "r", Some(5));
        let accounts = || quotas.all().into_iter().map(|(account, ..)| account).collect::<Vec<_>>();
        quotas.prune();
        assert_eq!(accounts(), ["limited", "used"]);
        quotas.forget("store");
        drop(used);
        quotas.prune();
        assert!(accounts().is_empty());
    }

    #[test]
    fn the_lowest_limit_of_all_stores_applies() {
        let quotas = Quotas::default();
        let limit = |quotas: &Quotas| quotas.rate_limits("1", "r").parameters.limit();
        assert!((limit(&quotas) - f64::from(DEFAULT_REQUESTS_PER_SECOND)).abs() < 0.01);
        assert_eq!(quotas.set("a", "1", "r", Some(30)), 30);
        assert_eq!(quotas.set("b", "1", "r", Some(5)), 5);
        assert_eq!(quotas.set("c", "1", "r", None), 5);
        assert_eq!(quotas.set("b", "2", "r", Some(5)), 5);
        assert!((limit(&quotas) - 30.0).abs() < 0.01, "b moved to another account");
        quotas.forget("a");
        assert!((limit(&quotas) - f64::from(DEFAULT_REQUESTS_PER_SECOND)).abs() < 0.01);
    }
}
