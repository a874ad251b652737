//! A token bucket: how fast one AWS service may be called. Pure; time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Lowest rate that throttling reduces to, in requests a second.
const LOWEST_RATE: f64 = 0.5;
/// How long an undisturbed recovery from the lowest rate takes.
const RECOVERY: Duration = Duration::from_secs(60);
/// Largest factor by which the rate grows within a second while it recovers.
const GROWTH: f64 = 1.05;
/// The tokens of this time are a reserve.
const RESERVE: Duration = Duration::from_millis(500);
/// Calls in flight at the same time are throttled together: within this time the rate is reduced once.
const ONE_REDUCTION: Duration = Duration::from_secs(1);

/// A token bucket that holds the tokens of one second. When AWS throttles a call, the rate is halved and then recovers
/// steadily.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    /// What is allowed, in requests a second.
    limit: f64,
    /// The current rate, in requests a second. Below `limit` after throttling.
    rate: f64,
    tokens: f64,
    refilled_at: Option<Instant>,
    /// The first reduction since the rate was at its limit, and the last one.
    reduced: Option<(Instant, Instant)>,
}

impl TokenBucket {
    /// Returns a full bucket.
    pub(crate) const fn new(limit: f64) -> Self {
        Self { limit, rate: limit, tokens: limit.max(1.0), refilled_at: None, reduced: None }
    }

    /// Sets the limit, in requests a second.
    pub(crate) const fn set_limit(&mut self, limit: f64) {
        self.limit = limit;
        // A reduced rate goes on recovering. Otherwise the new limit applies at once.
        let is_reduced = self.reduced.is_some();
        self.rate = if is_reduced { self.rate.min(self.limit) } else { self.limit };
    }

    /// Returns the limit, in requests a second.
    pub(crate) const fn limit(&self) -> f64 {
        self.limit
    }

    /// Returns the current rate, in requests a second: below the limit after throttling.
    pub(crate) fn rate(&mut self, now: Instant) -> f64 {
        self.refill(now);
        self.rate
    }

    /// Returns since when the rate is below the limit because of throttling.
    pub(crate) fn throttled_since(&mut self, now: Instant) -> Option<Instant> {
        self.refill(now);
        self.reduced.map(|(first, _)| first)
    }

    /// Takes a token. With `leave_reserve`, the tokens of half a second are left, if the bucket holds so many.
    ///
    /// # Errors
    /// When the next token will be there.
    pub(crate) fn take(&mut self, leave_reserve: bool, now: Instant) -> Result<(), Instant> {
        self.refill(now);
        let reserve = if leave_reserve { self.rate * RESERVE.as_secs_f64() } else { 0.0 };
        let needed = (1.0 + reserve).min(self.limit.max(1.0));
        if self.tokens >= needed {
            self.tokens -= 1.0;
            return Ok(());
        }
        // A little late rather than, by a rounding error, too early.
        let wait = (needed - self.tokens) / self.rate;
        Err(now + Duration::from_secs_f64(wait) + Duration::from_micros(10))
    }

    /// Returns a token that was not used.
    pub(crate) fn refund(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.limit.max(1.0));
    }

    /// Reduces the rate because AWS throttled a call.
    pub(crate) fn throttled(&mut self, now: Instant) {
        self.refill(now);
        if self.reduced.is_some_and(|(_, last)| now.saturating_duration_since(last) < ONE_REDUCTION) {
            return;
        }
        self.reduced = Some((self.reduced.map_or(now, |(first, _)| first), now));
        self.rate = (self.rate / 2.0).max(LOWEST_RATE.min(self.limit));
        self.tokens = 0.0;
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
            self.reduced = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_bucket_allows_a_burst_and_then_its_rate() {
        let (mut bucket, start) = (TokenBucket::new(10.0), Instant::now());
        assert!((0..10).all(|_| bucket.take(false, start).is_ok()), "the tokens of one second at once");
        let next = bucket.take(false, start).expect_err("empty");
        assert!((next - start) >= SECOND / 10 && (next - start) < SECOND / 9);
        assert!(
            (0..10).all(|_| bucket.take(false, start + SECOND).is_ok()) && bucket.take(false, start + SECOND).is_err()
        );
    }

    #[test]
    fn a_reserve_is_left_and_refilled() {
        for (limit, rate, at_once) in [(10.0, 10, 5), (2.0, 2, 1), (1.0, 1, 1)] {
            let (mut bucket, start) = (TokenBucket::new(limit), Instant::now());
            let taken = |bucket: &mut TokenBucket, leave_reserve, now| {
                (0..100).take_while(|_| bucket.take(leave_reserve, now).is_ok()).count()
            };
            assert_eq!(taken(&mut bucket, true, start), at_once, "limit {limit}");
            assert_eq!(taken(&mut bucket, false, start), rate - at_once);
            let (mut now, mut count) = (start, 0);
            while now < start + 100 * SECOND {
                match bucket.take(true, now) {
                    Ok(()) => count += 1,
                    Err(next) => now = next,
                }
            }
            assert!((99 * rate..=100 * rate).contains(&count), "limit {limit}: {count} in 100 s");
        }
    }

    #[test]
    fn throttling_halves_the_rate_once_and_it_recovers_steadily() {
        let (mut bucket, mut now) = (TokenBucket::new(10.0), Instant::now());
        bucket.throttled(now);
        bucket.throttled(now);
        assert!((bucket.rate(now) - 5.0).abs() < 0.01, "calls throttled together count once");
        now += 15 * SECOND;
        assert!((bucket.rate(now) - 7.5).abs() < 0.01);
        bucket.throttled(now);
        assert_eq!(bucket.throttled_since(now), Some(now - 15 * SECOND), "since the first time");
        now += 75 * SECOND;
        assert!((bucket.rate(now) - 10.0).abs() < 0.01);
        assert_eq!(bucket.throttled_since(now), None);
        for _ in 0..20 {
            bucket.throttled(now);
            now += SECOND;
        }
        assert!(bucket.rate(now) >= LOWEST_RATE);
    }
}
