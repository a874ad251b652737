//! How long to wait after a failure.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use crate::api::{DEFAULT_REFRESH_INTERVAL, Progress, Reason};

/// First delay after a failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest delay between attempts, however long the refresh interval is.
const LONGEST: Duration = Duration::from_secs(300);

/// Returns how long after the `attempt`-th failure in a row (from 1) to try again.
///
/// A failure that needs somebody to act is rechecked at the refresh interval. One that passes by itself backs off
/// exponentially from one second to the interval, at most five minutes.
pub(crate) fn after_failure(reason: Reason, attempt: u32, interval: Option<Duration>, uid: &str) -> Duration {
    let interval = interval.unwrap_or(DEFAULT_REFRESH_INTERVAL);
    // Room becomes free without a change of the object.
    let interval = if reason == Reason::NamespaceLimitReached { interval.min(LONGEST) } else { interval };
    if reason.progress() == Progress::Stalled {
        return interval.mul_f64(0.9 + 0.1 * fraction(uid, attempt));
    }
    exponential(attempt, interval.min(LONGEST), uid)
}

/// Doubles from one second to `longest`, each delay between half and all of its length.
fn exponential(attempt: u32, longest: Duration, uid: &str) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(0.5 + 0.5 * fraction(uid, attempt))
}

/// A number from 0 to 1 that is fixed by the object and the attempt: jitter that a test can repeat.
fn fraction(uid: &str, attempt: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (uid, attempt).hash(&mut hasher);
    let bits = u32::try_from(hasher.finish() >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn failures_back_off_to_the_interval() {
        let delay = |attempt| after_failure(Reason::Throttled, attempt, Some(MINUTE), "a");
        assert!(delay(1) <= FIRST && delay(1) >= FIRST / 2);
        assert!(delay(4) <= FIRST * 8 && delay(4) >= FIRST * 4);
        for attempt in [10, 31, 32, 33, 1_000, u32::MAX] {
            assert!(delay(attempt) <= MINUTE && delay(attempt) >= MINUTE / 2, "{attempt}");
        }
        let long = after_failure(Reason::Throttled, 50, Some(MINUTE * 600), "a");
        assert!(long <= LONGEST);
    }

    #[test]
    fn what_needs_somebody_to_act_waits_for_the_interval() {
        assert!(after_failure(Reason::AccessDenied, 1, Some(MINUTE), "a") >= MINUTE.mul_f64(0.9));
        assert!(after_failure(Reason::AccessDenied, 1, None, "a") >= DEFAULT_REFRESH_INTERVAL.mul_f64(0.9));
        assert!(
            after_failure(Reason::NamespaceLimitReached, 1, Some(MINUTE * 600), "a") <= LONGEST,
            "others make room"
        );
    }
}
