//! The rate limits of all accounts and regions, each shared by every store there.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::api::DEFAULT_REQUESTS_PER_SECOND;
use crate::domain::quota_share::QuotaShare;
use crate::parameters::quota::{
    admission::Admission,
    waits::{WaitObserver, WaitReporter},
};

/// `DescribeParameters` calls a second. An account has three by default (AWS General Reference, Systems Manager
/// quotas).
const DESCRIPTIONS_PER_SECOND: i32 = 1;
/// KMS calls a second. An account has thousands (KMS Developer Guide, request quotas).
const KMS_CALLS_PER_SECOND: i32 = 50;

/// The names of the quotas.
const PARAMETERS: &str = "parameters";
const DESCRIPTIONS: &str = "descriptions";
const KMS: &str = "kms";

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

impl RateLimits {
    fn new(share: QuotaShare, observer: Option<&Arc<dyn WaitObserver>>) -> Self {
        let admission = |quota, requests_per_second| {
            Admission::new(share.of(requests_per_second), WaitReporter::new(quota, observer.cloned()))
        };
        Self {
            parameters: admission(PARAMETERS, DEFAULT_REQUESTS_PER_SECOND),
            descriptions: admission(DESCRIPTIONS, DESCRIPTIONS_PER_SECOND),
            kms: admission(KMS, KMS_CALLS_PER_SECOND),
        }
    }

    /// Returns each quota with the number of claims that wait for it.
    pub(crate) fn waiting(&self) -> [(&'static str, usize); 3] {
        let Self { parameters, descriptions, kms } = self;
        [(PARAMETERS, parameters.waiting()), (DESCRIPTIONS, descriptions.waiting()), (KMS, kms.waiting())]
    }
}

/// All rate limits. Where several stores set one for the same account and region, the lowest applies. Of each, this process
/// uses its share.
#[derive(Default)]
pub(crate) struct Quotas {
    share: QuotaShare,
    observer: Option<Arc<dyn WaitObserver>>,
    regions: Mutex<BTreeMap<Region, Quota>>,
}

/// Account and region.
type Region = (String, String);

/// The quota of one account and region.
#[derive(Debug)]
struct Quota {
    share: QuotaShare,
    limits: Arc<RateLimits>,
    /// Requests a second for all processes, by the store that sets them.
    requests_per_second: BTreeMap<String, i32>,
}

impl Quotas {
    /// The names of the quotas of each account and region.
    pub(crate) const NAMES: [&str; 3] = [PARAMETERS, DESCRIPTIONS, KMS];

    /// Returns the quotas of a process that uses this share of each. `observer` is told how long calls wait.
    pub(crate) fn new(share: QuotaShare, observer: Option<Arc<dyn WaitObserver>>) -> Self {
        Self { share, observer, ..Self::default() }
    }

    /// Returns the rate limits of an account and region.
    pub(crate) fn rate_limits(&self, account: &str, region: &str) -> Arc<RateLimits> {
        let mut regions = self.regions.lock();
        self.entry(&mut regions, account, region).limits.clone()
    }

    /// Sets what `store` allows in an account and region (`None`: no limit of its own), and removes what it set
    /// elsewhere.
    pub(crate) fn set(&self, store: &str, account: &str, region: &str, requests_per_second: Option<i32>) {
        let mut regions = self.regions.lock();
        remove(&mut regions, store);
        let quota = self.entry(&mut regions, account, region);
        if let Some(requests_per_second) = requests_per_second {
            quota.requests_per_second.insert(store.to_owned(), requests_per_second);
        }
        quota.apply();
    }

    fn entry<'r>(&self, regions: &'r mut BTreeMap<Region, Quota>, account: &str, region: &str) -> &'r mut Quota {
        regions
            .entry((account.to_owned(), region.to_owned()))
            .or_insert_with(|| Quota::new(self.share, self.observer.as_ref()))
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
    fn new(share: QuotaShare, observer: Option<&Arc<dyn WaitObserver>>) -> Self {
        Self { share, limits: Arc::new(RateLimits::new(share, observer)), requests_per_second: BTreeMap::new() }
    }

    fn apply(&self) {
        let lowest = self.requests_per_second.values().min().copied().unwrap_or(DEFAULT_REQUESTS_PER_SECOND);
        self.limits.parameters.set_limit(self.share.of(lowest));
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use futures::poll;
    use tokio::time::{Instant, sleep, timeout_at};

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
        let applies = |expected: i32| {
            let limit = quotas.rate_limits("1", "r").parameters.limit();
            assert!((limit - f64::from(expected)).abs() < 0.01, "{limit} instead of {expected}");
        };
        applies(DEFAULT_REQUESTS_PER_SECOND);
        quotas.set("a", "1", "r", Some(30));
        applies(30);
        quotas.set("b", "1", "r", Some(5));
        quotas.set("c", "1", "r", None);
        applies(5);
        // It moves to another account.
        quotas.set("b", "2", "r", Some(5));
        applies(30);
        quotas.forget("a");
        applies(DEFAULT_REQUESTS_PER_SECOND);
    }

    /// Whatever the quota is, two halves are one whole.
    #[tokio::test(start_paused = true)]
    async fn a_share_is_that_of_each_quota() {
        async fn calls(admission: &Admission, seconds: u64) -> i32 {
            let (end, mut calls) = (Instant::now() + Duration::from_secs(seconds), 0);
            while timeout_at(end, admission.acquire(claim())).await.is_ok() {
                calls += 1;
            }
            calls
        }
        let half = Quotas::new("0.5".parse().expect("a share"), None);
        let limits = half.rate_limits("1", "r");
        assert!((50..=56).contains(&calls(&limits.parameters, 10).await), "the default is ten a second");
        half.set("store", "1", "r", Some(40));
        assert!((200..=221).contains(&calls(&limits.parameters, 10).await), "half of what the store allows");
        assert!((50..=51).contains(&calls(&limits.descriptions, 100).await), "one in two seconds");
        assert!((250..=276).contains(&calls(&limits.kms, 10).await));
        limits.parameters.throttled();
        sleep(Duration::from_secs(120)).await;
        assert!((limits.parameters.rate() - 20.0).abs() < 0.01, "a reduced rate recovers up to the share");
    }
}
