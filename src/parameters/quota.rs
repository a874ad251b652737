//! How fast the operator may ask: a token bucket per account and region, shared by every store there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::api::DEFAULT_REQUESTS_PER_SECOND;

/// A token bucket: refills at its rate and holds one second's worth.
///
/// Kept as the time at which the bucket would be full again (the generic cell rate algorithm), so that a waiting caller
/// holds no lock and needs no background task.
#[derive(Debug)]
pub struct TokenBucket {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    interval: Duration,
    burst: u32,
    full_at: Option<Instant>,
}

impl TokenBucket {
    fn new(requests_per_second: i32) -> Self {
        let bucket = Self { state: Mutex::new(State { interval: Duration::ZERO, burst: 1, full_at: None }) };
        bucket.set_rate(requests_per_second);
        bucket
    }

    /// Changes the rate; callers that already wait keep their turn.
    fn set_rate(&self, requests_per_second: i32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.burst = u32::try_from(requests_per_second.max(1)).unwrap_or(1);
        state.interval = Duration::from_secs(1) / state.burst;
    }

    /// Requests a second.
    pub fn rate(&self) -> i32 {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        i32::try_from(state.burst).unwrap_or(i32::MAX)
    }

    /// Waits for a token, first come first served.
    pub async fn acquire(&self) {
        let turn = self.take(Instant::now());
        sleep_until(turn).await;
    }

    /// Takes a token and says when it may be used.
    fn take(&self, now: Instant) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = state.full_at.unwrap_or(now).max(now) + state.interval;
        state.full_at = Some(full_at);
        let capacity = state.interval * state.burst;
        full_at.checked_sub(capacity).map_or(now, |turn| turn.max(now))
    }
}

/// The buckets of all accounts and regions, with the rates that stores state for them: the lowest counts.
#[derive(Debug, Default)]
pub struct Quotas {
    places: Mutex<BTreeMap<Place, Stated>>,
}

type Place = (String, String);

#[derive(Debug)]
struct Stated {
    bucket: Arc<TokenBucket>,
    rates: BTreeMap<String, i32>,
}

impl Quotas {
    /// The bucket of an account and region.
    pub fn bucket(&self, account: &str, region: &str) -> Arc<TokenBucket> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        place(&mut places, account, region).bucket.clone()
    }

    /// Notes what `store` states for an account and region, or that it states nothing, and drops what it stated
    /// elsewhere before. Answers with the rate that now counts there.
    pub fn state(&self, store: &str, account: &str, region: &str, requests_per_second: Option<i32>) -> i32 {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        withdraw(&mut places, store);
        let stated = place(&mut places, account, region);
        if let Some(rate) = requests_per_second {
            stated.rates.insert(store.to_owned(), rate);
        }
        stated.apply()
    }

    /// Forgets what a store stated.
    pub fn forget(&self, store: &str) {
        withdraw(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner), store);
    }
}

fn place<'a>(places: &'a mut BTreeMap<Place, Stated>, account: &str, region: &str) -> &'a mut Stated {
    let new = || Stated { bucket: Arc::new(TokenBucket::new(DEFAULT_REQUESTS_PER_SECOND)), rates: BTreeMap::new() };
    places.entry((account.to_owned(), region.to_owned())).or_insert_with(new)
}

fn withdraw(places: &mut BTreeMap<Place, Stated>, store: &str) {
    for stated in places.values_mut() {
        if stated.rates.remove(store).is_some() {
            stated.apply();
        }
    }
}

impl Stated {
    fn apply(&self) -> i32 {
        let rate = self.rates.values().min().copied().unwrap_or(DEFAULT_REQUESTS_PER_SECOND);
        self.bucket.set_rate(rate);
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate() {
        let bucket = TokenBucket::new(10);
        let start = Instant::now();
        for _ in 0..10 {
            bucket.acquire().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "one second's worth at once");
        for _ in 0..10 {
            bucket.acquire().await;
        }
        // Tokio's paused clock moves in whole milliseconds.
        assert!(start.elapsed() >= Duration::from_secs(1) && start.elapsed() < Duration::from_millis(1_020));
    }

    #[test]
    fn the_lowest_stated_rate_counts() {
        let quotas = Quotas::default();
        let bucket = quotas.bucket("1", "r");
        assert_eq!(bucket.rate(), DEFAULT_REQUESTS_PER_SECOND);
        assert_eq!(quotas.state("a", "1", "r", Some(30)), 30);
        assert_eq!(quotas.state("b", "1", "r", Some(5)), 5);
        assert_eq!(quotas.state("c", "1", "r", None), 5);
        assert_eq!(quotas.state("b", "2", "r", Some(5)), 5);
        assert_eq!(bucket.rate(), 30, "b moved to another account");
        quotas.forget("a");
        assert_eq!(bucket.rate(), DEFAULT_REQUESTS_PER_SECOND);
    }
}
