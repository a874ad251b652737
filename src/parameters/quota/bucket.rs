//! How fast something may be asked: a token bucket with a line.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedRwLockReadGuard, RwLock},
    time::{Instant, sleep_until},
};

/// Lowest rate that throttling cuts to, in requests a second.
const LOWEST_RATE: f64 = 0.5;
/// How long an undisturbed recovery from the lowest rate takes.
const RECOVERY: Duration = Duration::from_secs(60);
/// Most that the rate grows by within a second while it recovers.
const GROWTH: f64 = 1.05;
/// Refusals of calls that were under way together count as one.
const ONE_CUT: Duration = Duration::from_secs(1);

/// A token bucket with a line of waiting callers, the most urgent first. It refills at its rate and holds one second's
/// worth. When AWS throttles, the rate is halved, and then grows back steadily.
#[derive(Debug)]
pub struct TokenBucket {
    state: Mutex<State>,
    changed: Notify,
    /// Read by every call under way; written, for ever, by the end.
    calls: Arc<RwLock<()>>,
}

/// A token that was taken: its call is under way until this is dropped, which is after the call was recorded.
pub type CallPermit = OwnedRwLockReadGuard<()>;

#[derive(Debug)]
struct State {
    /// What the stores allow, in requests a second.
    stated: f64,
    /// What is used of it at present.
    rate: f64,
    tokens: f64,
    refilled_at: Option<Instant>,
    cut_at: Option<Instant>,
    /// Deadlines of those who wait, in the order in which they are served, with a number to tell them apart.
    line: BTreeSet<(Instant, u64)>,
    joined: u64,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(requests_per_second: i32) -> Self {
        let rate = f64::from(requests_per_second);
        let state = State {
            stated: rate,
            rate,
            tokens: rate,
            refilled_at: None,
            cut_at: None,
            line: BTreeSet::new(),
            joined: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), calls: Arc::default() }
    }

    /// Sets what is allowed.
    pub fn state(&self, requests_per_second: i32) {
        let mut state = self.lock();
        state.stated = f64::from(requests_per_second);
        // A cut stays until it has healed; without one the new rate counts at once.
        let healed = state.cut_at.is_none();
        state.rate = if healed { state.stated } else { state.rate.min(state.stated) };
        drop(state);
        self.changed.notify_waiters();
    }

    /// Requests a second that are allowed.
    pub fn stated(&self) -> f64 {
        self.lock().stated
    }

    /// Requests a second that are made use of at present: less than what is allowed while AWS throttles.
    pub fn rate(&self) -> f64 {
        let mut state = self.lock();
        state.refill(Instant::now());
        state.rate
    }

    /// Waits for a token. Of those who wait, the one with the earliest `deadline` is served first; whoever stops
    /// waiting leaves the line.
    #[must_use = "a call is waited for at the end only while it holds this"]
    pub async fn acquire(&self, deadline: Instant) -> CallPermit {
        let place = Place::join(self, deadline);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before looking, so that no change is missed between the look and the wait.
            changed.as_mut().enable();
            let next = self.lock().serve(place.key, Instant::now());
            match next {
                Turn::Now => break,
                Turn::At(time) => tokio::select! {
                    () = sleep_until(time) => {}
                    () = changed => {}
                },
                Turn::AfterOthers => changed.await,
            }
        }
        Arc::clone(&self.calls).read_owned().await
    }

    /// Waits until the calls under way are over. Nobody gets a token from now on.
    pub async fn close(&self) {
        // Whoever comes after a waiting writer waits too.
        std::mem::forget(Arc::clone(&self.calls).write_owned().await);
    }

    /// Gives back a token that was not used after all.
    pub fn give_back(&self) {
        let mut state = self.lock();
        state.tokens = (state.tokens + 1.0).min(state.stated);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Notes that AWS throttled a call.
    pub fn throttled(&self) {
        self.lock().cut(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When one who waits may go.
enum Turn {
    Now,
    At(Instant),
    AfterOthers,
}

/// A place in the line. Dropping it leaves the line.
struct Place<'a> {
    budget: &'a TokenBucket,
    key: (Instant, u64),
}

impl<'a> Place<'a> {
    fn join(budget: &'a TokenBucket, deadline: Instant) -> Self {
        let mut state = budget.lock();
        state.joined += 1;
        let key = (deadline, state.joined);
        state.line.insert(key);
        Self { budget, key }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.lock().line.remove(&self.key);
        self.budget.changed.notify_waiters();
    }
}

impl State {
    fn serve(&mut self, place: (Instant, u64), now: Instant) -> Turn {
        if self.line.first() != Some(&place) {
            return Turn::AfterOthers;
        }
        self.refill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Turn::Now;
        }
        // A little later rather than a rounding error too early.
        let wait = (1.0 - self.tokens) / self.rate;
        Turn::At(now + Duration::from_secs_f64(wait) + Duration::from_micros(10))
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.refilled_at.unwrap_or(now)).as_secs_f64();
        self.refilled_at = Some(now);
        self.tokens = (self.tokens + elapsed * self.rate).min(self.stated.max(1.0));
        if self.rate < self.stated {
            // Steadily, but where far too much is stated, no faster than what was found to be possible allows.
            let steady = elapsed * self.stated / RECOVERY.as_secs_f64();
            let bounded = self.rate * (GROWTH.powf(elapsed) - 1.0);
            self.rate = (self.rate + steady.min(bounded)).min(self.stated);
        }
        if self.rate >= self.stated {
            self.cut_at = None;
        }
    }

    fn cut(&mut self, now: Instant) {
        self.refill(now);
        if self.cut_at.is_some_and(|at| now.saturating_duration_since(at) < ONE_CUT) {
            return;
        }
        self.cut_at = Some(now);
        self.rate = (self.rate / 2.0).max(LOWEST_RATE.min(self.stated));
        self.tokens = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn take(budget: &TokenBucket, count: usize) {
        for _ in 0..count {
            drop(budget.acquire(Instant::now()).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate() {
        let budget = TokenBucket::new(10);
        let start = Instant::now();
        take(&budget, 10).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "one second's worth at once");
        take(&budget, 20).await;
        assert!(start.elapsed() >= 2 * SECOND && start.elapsed() < 2 * SECOND + Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_deadline_goes_first() {
        let budget = Arc::new(TokenBucket::new(1));
        take(&budget, 1).await;
        let start = Instant::now();
        let served = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = [30, 10, 20]
            .map(|deadline| {
                let (budget, served) = (budget.clone(), served.clone());
                tokio::spawn(async move {
                    drop(budget.acquire(start + SECOND * deadline).await);
                    served.lock().unwrap_or_else(PoisonError::into_inner).push(deadline);
                })
            })
            .into();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(*served.lock().unwrap_or_else(PoisonError::into_inner), [10, 20, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_costs_nothing() {
        let budget = TokenBucket::new(1);
        take(&budget, 1).await;
        let start = Instant::now();
        let given_up = tokio::time::timeout(Duration::from_millis(10), budget.acquire(start)).await;
        assert!(given_up.is_err());
        take(&budget, 1).await;
        assert!(start.elapsed() <= SECOND + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_calls_under_way_and_lets_none_begin() {
        let budget = TokenBucket::new(10);
        let in_flight = budget.acquire(Instant::now()).await;
        let mut end = pin!(budget.close());
        assert!(poll!(&mut end).is_pending());
        let mut late = pin!(budget.acquire(Instant::now()));
        assert!(poll!(&mut late).is_pending());
        drop(in_flight);
        assert!(poll!(end).is_ready());
        assert!(poll!(late).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_cuts_once_and_recovers_steadily() {
        let budget = TokenBucket::new(10);
        budget.throttled();
        budget.throttled();
        assert!((budget.rate() - 5.0).abs() < 0.01, "calls refused together count once");
        tokio::time::advance(15 * SECOND).await;
        assert!((budget.rate() - 7.5).abs() < 0.01);
        tokio::time::advance(60 * SECOND).await;
        assert!((budget.rate() - 10.0).abs() < 0.01);
        for _ in 0..20 {
            budget.throttled();
            tokio::time::advance(SECOND).await;
        }
        assert!(budget.rate() >= LOWEST_RATE);
    }
}
