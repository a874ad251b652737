//! The admission point of one AWS service in one account and region: every call that spends its quota waits here for a
//! token and for its turn.
//!
//! # Reserve
//!
//! While nothing but calls in the background waits, they leave the tokens of half a second in the bucket, so that a few
//! urgent calls go at once. The looks after a start, say, do not delay the reads of what they find. Once an urgent call
//! waits, turns alone decide, so that the background does not starve.
//!
//! # Concurrency
//!
//! One mutex guards the state, for in-memory work only. Of all places in the queue, only the one whose turn is next waits
//! for the token. The others wait to be woken. Everything that may change whose turn is next wakes that place through a
//! `Notify` of its own, which stores the wake-up while nobody listens.

use std::{collections::BTreeMap, future, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::parameters::quota::{
    bucket::TokenBucket,
    claim::{Claim, Claims, waiting_since},
    turns::Turns,
    waits::WaitReporter,
};

/// Admits calls one after the other.
#[derive(Debug)]
pub(crate) struct Admission {
    state: Mutex<State>,
    /// Tracks the calls in flight. Closed at the end of the process.
    calls: TaskTracker,
    /// Is told how long each call waited.
    waits: WaitReporter,
}

/// The permit of one call. The call counts as in flight until this is dropped, so drop it after the call is recorded.
pub(crate) type CallPermit = TaskTrackerToken;

#[derive(Debug)]
struct State {
    bucket: TokenBucket,
    turns: Turns,
    waiting: BTreeMap<u64, Waiting>,
    places: u64,
}

/// What waits at a place.
#[derive(Debug)]
struct Waiting {
    claims: Claims,
    turn_changed: Arc<Notify>,
}

impl Admission {
    /// Returns an admission point with a full bucket. It tells `waits` how long each call waited.
    pub(crate) fn new(requests_per_second: f64, waits: WaitReporter) -> Self {
        let bucket = TokenBucket::new(requests_per_second);
        let state = State { bucket, turns: Turns::default(), waiting: BTreeMap::new(), places: 0 };
        Self { state: Mutex::new(state), calls: TaskTracker::new(), waits }
    }

    /// Sets how many requests a second are allowed.
    pub(crate) fn set_limit(&self, requests_per_second: f64) {
        let mut state = self.state.lock();
        state.bucket.set_limit(requests_per_second);
        state.wake_next();
    }

    /// Returns the requests a second that are allowed.
    pub(crate) fn limit(&self) -> f64 {
        self.state.lock().bucket.limit()
    }

    /// Returns the requests a second at most at present: below the limit after throttling.
    pub(crate) fn rate(&self) -> f64 {
        self.state.lock().bucket.rate(Instant::now())
    }

    /// Returns since when fewer requests are made because AWS throttles.
    pub(crate) fn throttled_since(&self) -> Option<Instant> {
        self.state.lock().bucket.throttled_since(Instant::now())
    }

    /// Returns how many claims wait for a call.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting.values().map(|waiting| waiting.claims.len()).sum()
    }

    /// Joins those who wait, with nothing to call for yet.
    pub(crate) fn join(&self) -> QueuePlace<'_> {
        let (mut state, turn_changed) = (self.state.lock(), Arc::new(Notify::new()));
        state.places += 1;
        let id = state.places;
        state.waiting.insert(id, Waiting { claims: Claims::new(), turn_changed: turn_changed.clone() });
        QueuePlace { admission: self, id, turn_changed }
    }

    /// Waits for a call that is made for these claims alone. Who stops waiting leaves the queue.
    #[must_use = "a call counts as in flight only while it holds its permit"]
    pub(crate) async fn acquire(&self, claims: impl IntoIterator<Item = Claim>) -> CallPermit {
        let place = self.join();
        place.offer(waiting_since(claims, Instant::now()));
        let (claim, permit) = place.turn().await;
        self.charge(&[(claim, 1.0)]);
        permit
    }

    /// Charges claims their shares of a call.
    pub(crate) fn charge(&self, shares: &[(Claim, f64)]) {
        let mut state = self.state.lock();
        for (claim, share) in shares {
            state.turns.charge(claim, *share);
        }
        state.wake_next();
    }

    /// Returns a token that was not used.
    pub(crate) fn refund(&self) {
        let mut state = self.state.lock();
        state.bucket.refund();
        state.wake_next();
    }

    /// Reduces the rate because AWS throttled a call.
    pub(crate) fn throttled(&self) {
        self.state.lock().bucket.throttled(Instant::now());
    }

    /// Waits until all calls in flight have ended. Nobody gets a permit from now on.
    pub(crate) async fn close(&self) {
        self.calls.close();
        self.calls.wait().await;
    }
}

/// A place in the queue. Dropping it leaves the queue.
pub(crate) struct QueuePlace<'a> {
    admission: &'a Admission,
    id: u64,
    turn_changed: Arc<Notify>,
}

impl QueuePlace<'_> {
    /// Replaces what there is to call for.
    pub(crate) fn offer(&self, claims: Claims) {
        let mut state = self.admission.state.lock();
        let Some(waiting) = state.waiting.get_mut(&self.id) else { return };
        if waiting.claims != claims {
            waiting.claims = claims;
            state.wake_next();
        }
    }

    /// Waits for a turn and a token. Returns the claim whose turn it is; charge what the call holds to it, or refund the
    /// token.
    pub(crate) async fn turn(&self) -> (Claim, CallPermit) {
        let claim = loop {
            let taken = self.admission.state.lock().take(self.id, Instant::now());
            match taken {
                Taken::Turn(claim, since) => {
                    self.admission.waits.waited(since.elapsed());
                    break claim;
                }
                Taken::At(time) => tokio::select! {
                    () = sleep_until(time) => {}
                    () = self.turn_changed.notified() => {}
                },
                Taken::NotYet => self.turn_changed.notified().await,
            }
        };
        let permit = self.admission.calls.token();
        if self.admission.calls.is_closed() {
            drop(permit);
            return future::pending().await;
        }
        (claim, permit)
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        let mut state = self.admission.state.lock();
        if state.waiting.remove(&self.id).is_some_and(|waiting| !waiting.claims.is_empty()) {
            state.wake_next();
        }
    }
}

/// What a place gets.
enum Taken {
    /// It is the turn of this claim, which waited since then.
    Turn(Claim, Instant),
    /// Its turn is next, but the token will be there only then.
    At(Instant),
    /// Another turn is next.
    NotYet,
}

impl State {
    fn take(&mut self, place: u64, now: Instant) -> Taken {
        match self.next() {
            Some((next, claim)) if next == place => match self.bucket.take(self.is_background(), now) {
                Ok(()) => {
                    self.turns.begin(&claim);
                    let waiting = self.waiting.get_mut(&place).map(|waiting| std::mem::take(&mut waiting.claims));
                    let since = waiting.and_then(|claims| claims.get(&claim).copied()).unwrap_or(now);
                    self.wake_next();
                    Taken::Turn(claim, since)
                }
                Err(time) => Taken::At(time),
            },
            // The turn may have passed on since somebody was woken for it.
            _ => {
                self.wake_next();
                Taken::NotYet
            }
        }
    }

    /// Reports whether nobody waits for any of the calls.
    fn is_background(&self) -> bool {
        self.waiting.values().flat_map(|waiting| waiting.claims.keys()).all(|claim| claim.priority.is_background())
    }

    fn next(&self) -> Option<(u64, Claim)> {
        self.turns.next(self.waiting.iter().map(|(place, waiting)| (*place, &waiting.claims)))
    }

    fn wake_next(&self) {
        if let Some(waiting) = self.next().and_then(|(place, _)| self.waiting.get(&place)) {
            waiting.turn_changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use futures::poll;

    use super::*;
    use crate::parameters::quota::priority::Priority;

    const SECOND: Duration = Duration::from_secs(1);

    fn claim(tenant: &str) -> [Claim; 1] {
        [Claim::new(Priority::New, tenant)]
    }

    async fn take(admission: &Admission, count: usize) {
        for _ in 0..count {
            drop(admission.acquire(claim("a")).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_admitted_at_the_rate() {
        let admission = Admission::new(10.0, WaitReporter::default());
        let start = Instant::now();
        take(&admission, 10).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "the tokens of one second at once");
        take(&admission, 20).await;
        assert!(start.elapsed() >= 2 * SECOND && start.elapsed() < 2 * SECOND + Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_with_many_calls_delays_another_by_one_call() {
        let admission = Arc::new(Admission::new(1.0, WaitReporter::default()));
        take(&admission, 1).await;
        let served = Arc::new(Mutex::new(Vec::new()));
        let call = |tenant: &'static str| {
            let (admission, served) = (admission.clone(), served.clone());
            tokio::spawn(async move {
                drop(admission.acquire(claim(tenant)).await);
                served.lock().push(tenant);
            })
        };
        let calls: Vec<_> = (0..100).map(|_| call("busy")).collect();
        tokio::time::sleep(3 * SECOND).await;
        let before = served.lock().len();
        call("late").await.expect("no panic");
        assert!(served.lock().len() <= before + 2, "{:?}", served.lock());
        for call in calls {
            call.await.expect("no panic");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_in_the_background_leave_a_reserve_but_do_not_starve() {
        let admission = Arc::new(Admission::new(10.0, WaitReporter::default()));
        let served = Arc::new(Mutex::new(Vec::new()));
        let call = |priority: Priority| {
            let (admission, served) = (admission.clone(), served.clone());
            tokio::spawn(async move {
                drop(admission.acquire([Claim::new(priority, "a")]).await);
                served.lock().push(priority);
            })
        };
        let mut calls: Vec<_> = (0..200).map(|_| call(Priority::Sweep)).collect();
        tokio::time::sleep(5 * SECOND).await;
        assert!((53..=56).contains(&served.lock().len()), "they use the whole rate: {}", served.lock().len());
        let start = Instant::now();
        for _ in 0..5 {
            call(Priority::New).await.expect("no panic");
        }
        assert!(start.elapsed() < SECOND / 10, "urgent calls need not wait for tokens: {:?}", start.elapsed());
        let before = served.lock().len();
        calls.extend((0..200).map(|_| call(Priority::New)));
        tokio::time::sleep(6 * SECOND).await;
        let of_sweep = served.lock()[before..].iter().filter(|priority| **priority == Priority::Sweep).count();
        assert!((18..=22).contains(&of_sweep), "a third, by their weight: {of_sweep}");
        calls.iter().for_each(tokio::task::JoinHandle::abort);
    }

    /// Nobody else is there to wake those who wait.
    #[tokio::test(start_paused = true)]
    async fn a_turn_that_passes_on_when_a_call_is_charged_is_not_lost() {
        let admission = Arc::new(Admission::new(1.0, WaitReporter::default()));
        take(&admission, 1).await;
        let call = |tenant: &'static str| {
            let admission = admission.clone();
            tokio::spawn(async move { drop(admission.acquire(claim(tenant)).await) })
        };
        let mut calls = Vec::new();
        for tenant in ["b", "b", "c"] {
            calls.push(call(tenant));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for call in calls {
            let ended = tokio::time::timeout(10 * SECOND, call).await;
            ended.expect("everybody gets a turn").expect("no panic");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_takes_no_token() {
        let admission = Admission::new(1.0, WaitReporter::default());
        take(&admission, 1).await;
        let start = Instant::now();
        let given_up = tokio::time::timeout(Duration::from_millis(10), admission.acquire(claim("b"))).await;
        assert!(given_up.is_err());
        take(&admission, 1).await;
        assert!(start.elapsed() <= SECOND + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_without_claims_delays_nobody() {
        let admission = Admission::new(1.0, WaitReporter::default());
        let idle = admission.join();
        let mut turn = pin!(idle.turn());
        assert!(poll!(&mut turn).is_pending());
        take(&admission, 2).await;
        idle.offer(waiting_since(claim("b"), Instant::now()));
        let (_, permit) = turn.await;
        drop(permit);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_calls_in_flight_and_lets_none_begin() {
        let admission = Admission::new(10.0, WaitReporter::default());
        let in_flight = admission.acquire(claim("a")).await;
        let mut closed = pin!(admission.close());
        assert!(poll!(&mut closed).is_pending());
        let mut late = pin!(admission.acquire(claim("a")));
        assert!(poll!(&mut late).is_pending());
        drop(in_flight);
        assert!(poll!(closed).is_ready());
        assert!(poll!(late).is_pending());
    }
}
