//! A token bucket with a queue: how fast one AWS service may be called.

use std::{collections::BTreeSet, future, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// Lowest rate that throttling reduces to, in requests a second.
const LOWEST_RATE: f64 = 0.5;
/// How long an undisturbed recovery from the lowest rate takes.
const RECOVERY: Duration = Duration::from_secs(60);
/// Largest factor by which the rate grows within a second while it recovers.
const GROWTH: f64 = 1.05;
/// Calls in flight at the same time are throttled together: within this time the rate is reduced once.
const ONE_REDUCTION: Duration = Duration::from_secs(1);

/// A token bucket with a queue of waiting callers, ordered by deadline. It refills at its rate and holds the tokens of
/// one second. When AWS throttles a call, the rate is halved and then recovers steadily.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    state: Mutex<State>,
    changed: Notify,
    /// Tracks the calls in flight. Closed at the end of the process.
    calls: TaskTracker,
}

/// The permit of one call. The call counts as in flight until this is dropped, so drop it after the call is recorded.
pub(crate) type CallPermit = TaskTrackerToken;

#[derive(Debug)]
struct State {
    /// What the stores allow, in requests a second.
    limit: f64,
    /// The current rate, in requests a second. Below `limit` after throttling.
    rate: f64,
    tokens: f64,
    refilled_at: Option<Instant>,
    reduced_at: Option<Instant>,
    /// Deadlines of the waiting callers, each with a number that keeps them distinct.
    queue: BTreeSet<Ticket>,
    tickets: u64,
}

type Ticket = (Instant, u64);

impl TokenBucket {
    /// Returns a full bucket.
    pub(crate) fn new(requests_per_second: i32) -> Self {
        let rate = f64::from(requests_per_second);
        let state = State {
            limit: rate,
            rate,
            tokens: rate,
            refilled_at: None,
            reduced_at: None,
            queue: BTreeSet::new(),
            tickets: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), calls: TaskTracker::new() }
    }

    /// Sets the limit.
    pub(crate) fn set_limit(&self, requests_per_second: i32) {
        let mut state = self.state.lock();
        state.limit = f64::from(requests_per_second);
        // A reduced rate goes on recovering. Otherwise the new limit applies at once.
        let is_reduced = state.reduced_at.is_some();
        state.rate = if is_reduced { state.rate.min(state.limit) } else { state.limit };
        drop(state);
        self.changed.notify_waiters();
    }

    /// Returns the limit, in requests a second.
    pub(crate) fn limit(&self) -> f64 {
        self.state.lock().limit
    }

    /// Returns the current rate, in requests a second: below the limit after throttling.
    pub(crate) fn rate(&self) -> f64 {
        let mut state = self.state.lock();
        state.refill(Instant::now());
        state.rate
    }

    /// Waits for a token. Callers are served in the order of their deadlines. A caller that stops waiting leaves the
    /// queue.
    #[must_use = "a call counts as in flight only while it holds its permit"]
    pub(crate) async fn acquire(&self, deadline: Instant) -> CallPermit {
        let place = QueuePlace::join(self, deadline);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Enabled before the state is read, so that no change in between is missed.
            changed.as_mut().enable();
            let turn = self.state.lock().take(place.ticket, Instant::now());
            match turn {
                Turn::Now => break,
                Turn::At(time) => tokio::select! {
                    () = sleep_until(time) => {}
                    () = changed => {}
                },
                Turn::AfterOthers => changed.await,
            }
        }
        let permit = self.calls.token();
        if self.calls.is_closed() {
            drop(permit);
            return future::pending().await;
        }
        permit
    }

    /// Waits until all calls in flight have ended. Nobody gets a permit from now on.
    pub(crate) async fn close(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    /// Returns a token that was not used.
    pub(crate) fn refund(&self) {
        let mut state = self.state.lock();
        state.tokens = (state.tokens + 1.0).min(state.limit);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Reduces the rate because AWS throttled a call.
    pub(crate) fn throttled(&self) {
        self.state.lock().reduce(Instant::now());
    }
}

/// When a waiting caller gets its token.
enum Turn {
    Now,
    At(Instant),
    AfterOthers,
}

/// A place in the queue. Dropping it leaves the queue.
struct QueuePlace<'a> {
    bucket: &'a TokenBucket,
    ticket: Ticket,
}

impl<'a> QueuePlace<'a> {
    fn join(bucket: &'a TokenBucket, deadline: Instant) -> Self {
        let mut state = bucket.state.lock();
        state.tickets += 1;
        let ticket = (deadline, state.tickets);
        state.queue.insert(ticket);
        Self { bucket, ticket }
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.bucket.state.lock().queue.remove(&self.ticket);
        self.bucket.changed.notify_waiters();
    }
}

impl State {
    /// Takes a token for this ticket, if it is first in the queue and there is one.
    fn take(&mut self, ticket: Ticket, now: Instant) -> Turn {
        if self.queue.first() != Some(&ticket) {
            return Turn::AfterOthers;
        }
        self.refill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Turn::Now;
        }
        // A little late rather than, by a rounding error, too early.
        let wait = (1.0 - self.tokens) / self.rate;
        Turn::At(now + Duration::from_secs_f64(wait) + Duration::from_micros(10))
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.refilled_at.unwrap_or(now)).as_secs_f64();
        self.refilled_at = Some(now);
        self.tokens = (self.tokens + elapsed * self.rate).min(self.limit.max(1.0));
        if self.rate < self.limit {
            // Linear, but exponential while the rate is low: a limit far above what AWS allows must not bring it back
            // at once.
            let linear = elapsed * self.limit / RECOVERY.as_secs_f64();
            let exponential = self.rate * (GROWTH.powf(elapsed) - 1.0);
            self.rate = (self.rate + linear.min(exponential)).min(self.limit);
        }
        if self.rate >= self.limit {
            self.reduced_at = None;
        }
    }

    fn reduce(&mut self, now: Instant) {
        self.refill(now);
        if self.reduced_at.is_some_and(|at| now.saturating_duration_since(at) < ONE_REDUCTION) {
            return;
        }
        self.reduced_at = Some(now);
        self.rate = (self.rate / 2.0).max(LOWEST_RATE.min(self.limit));
        self.tokens = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::Arc};

    use futures::poll;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn take(bucket: &TokenBucket, count: usize) {
        for _ in 0..count {
            drop(bucket.acquire(Instant::now()).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_allows_a_burst_and_then_its_rate() {
        let bucket = TokenBucket::new(10);
        let start = Instant::now();
        take(&bucket, 10).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "the tokens of one second at once");
        take(&bucket, 20).await;
        assert!(start.elapsed() >= 2 * SECOND && start.elapsed() < 2 * SECOND + Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_are_served_in_the_order_of_their_deadlines() {
        let bucket = Arc::new(TokenBucket::new(1));
        take(&bucket, 1).await;
        let start = Instant::now();
        let served = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = [30, 10, 20]
            .map(|deadline| {
                let (bucket, served) = (bucket.clone(), served.clone());
                tokio::spawn(async move {
                    drop(bucket.acquire(start + SECOND * deadline).await);
                    served.lock().push(deadline);
                })
            })
            .into();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(*served.lock(), [10, 20, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_takes_no_token() {
        let bucket = TokenBucket::new(1);
        take(&bucket, 1).await;
        let start = Instant::now();
        let given_up = tokio::time::timeout(Duration::from_millis(10), bucket.acquire(start)).await;
        assert!(given_up.is_err());
        take(&bucket, 1).await;
        assert!(start.elapsed() <= SECOND + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_calls_in_flight_and_lets_none_begin() {
        let bucket = TokenBucket::new(10);
        let in_flight = bucket.acquire(Instant::now()).await;
        let mut closed = pin!(bucket.close());
        assert!(poll!(&mut closed).is_pending());
        let mut late = pin!(bucket.acquire(Instant::now()));
        assert!(poll!(&mut late).is_pending());
        drop(in_flight);
        assert!(poll!(closed).is_ready());
        assert!(poll!(late).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_halves_the_rate_once_and_it_recovers_steadily() {
        let bucket = TokenBucket::new(10);
        bucket.throttled();
        bucket.throttled();
        assert!((bucket.rate() - 5.0).abs() < 0.01, "calls throttled together count once");
        tokio::time::advance(15 * SECOND).await;
        assert!((bucket.rate() - 7.5).abs() < 0.01);
        tokio::time::advance(60 * SECOND).await;
        assert!((bucket.rate() - 10.0).abs() < 0.01);
        for _ in 0..20 {
            bucket.throttled();
            tokio::time::advance(SECOND).await;
        }
        assert!(bucket.rate() >= LOWEST_RATE);
    }
}
