//! The retry policy of all AWS calls of the reader. Pure: time is an argument.
//!
//! The retries of the AWS SDK are off, so that every attempt takes a token, is counted and is audited.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::aws_error::AwsErrorKind;

/// How long a throttled call is retried before its error is reported.
const THROTTLING_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a call is retried after AWS failed, could not be reached, or refused the credentials.
const MAX_RETRIES: u32 = 1;
/// Delay before such a retry.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// First and longest delay between polls of a name or path while AWS is unavailable.
const POLL_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Try again after this delay. Zero after throttling: the token bucket slows the next attempt down.
    After(Duration),
    /// Report the error.
    GiveUp,
}

/// Decides whether to retry a call that failed with an error of this kind.
///
/// `failures` counts earlier failures that were not throttling. `elapsed` is the time since the first attempt.
pub(crate) fn decide(kind: AwsErrorKind, failures: u32, elapsed: Duration) -> Retry {
    match kind {
        AwsErrorKind::Throttled if elapsed < THROTTLING_TIMEOUT => Retry::After(Duration::ZERO),
        // Refused credentials are fetched anew meanwhile.
        _ if concerns_service(kind) && failures < MAX_RETRIES => Retry::After(RETRY_AFTER),
        _ => Retry::GiveUp,
    }
}

/// Reports whether an error may pass by itself, and says nothing of what was asked for.
pub(crate) const fn concerns_service(kind: AwsErrorKind) -> bool {
    matches!(
        kind,
        AwsErrorKind::ServiceUnavailable | AwsErrorKind::EndpointUnreachable | AwsErrorKind::CredentialsInvalid
    )
}

/// Reports whether an error counts towards the retries: throttling does not.
pub(crate) fn counts(kind: AwsErrorKind) -> bool {
    kind != AwsErrorKind::Throttled
}

/// The attempts of one call so far.
#[derive(Debug)]
pub(crate) struct Attempts {
    began: Instant,
    failures: u32,
}

impl Attempts {
    /// Starts at the first attempt.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { began: now, failures: 0 }
    }

    /// Counts a failed attempt and decides what to do next.
    pub(crate) fn failed(&mut self, kind: AwsErrorKind, now: Instant) -> Retry {
        let retry = decide(kind, self.failures, now.saturating_duration_since(self.began));
        self.failures += u32::from(counts(kind));
        retry
    }
}

/// Returns the delay before the next poll of a name or path, after this many failures in a row. At least one.
pub(crate) fn poll_backoff(failures: u32) -> Duration {
    let (first, longest) = POLL_BACKOFF;
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_retried_for_30_s_and_outages_and_refused_credentials_once() {
        use AwsErrorKind::{
            AccessDenied, CiphertextInvalid, CredentialsInvalid, DecryptDenied, EndpointUnreachable, Invalid,
            KeyUnavailable, ServiceUnavailable, Throttled,
        };
        const AT_ONCE: Retry = Retry::After(Duration::ZERO);
        const LATER: Retry = Retry::After(RETRY_AFTER);
        for (kind, failures, seconds, expected) in [
            (Throttled, 0, 0, AT_ONCE),
            (Throttled, 5, 29, AT_ONCE),
            (Throttled, 0, 30, Retry::GiveUp),
            (ServiceUnavailable, 0, 0, LATER),
            (ServiceUnavailable, 0, 3_600, LATER),
            (ServiceUnavailable, 1, 0, Retry::GiveUp),
            (EndpointUnreachable, 0, 0, LATER),
            (EndpointUnreachable, 1, 0, Retry::GiveUp),
            (AccessDenied, 0, 0, Retry::GiveUp),
            (DecryptDenied, 0, 0, Retry::GiveUp),
            (KeyUnavailable, 0, 0, Retry::GiveUp),
            (CiphertextInvalid, 0, 0, Retry::GiveUp),
            (CredentialsInvalid, 0, 0, LATER),
            (CredentialsInvalid, 1, 0, Retry::GiveUp),
            (Invalid, 0, 0, Retry::GiveUp),
        ] {
            let decided = decide(kind, failures, Duration::from_secs(seconds));
            assert_eq!(decided, expected, "{kind:?} after {failures} failures and {seconds} s");
        }
    }

    #[test]
    fn throttling_does_not_use_up_the_retry_of_an_outage() {
        let start = Instant::now();
        let mut attempts = Attempts::new(start);
        let retries = [AwsErrorKind::Throttled, AwsErrorKind::ServiceUnavailable, AwsErrorKind::ServiceUnavailable]
            .map(|kind| attempts.failed(kind, start));
        assert_eq!(retries, [Retry::After(Duration::ZERO), Retry::After(RETRY_AFTER), Retry::GiveUp]);
    }

    #[test]
    fn polls_back_off_exponentially_up_to_a_minute() {
        let seconds = [1, 2, 3, 6, 7, 100].map(|failures| poll_backoff(failures).as_secs());
        assert_eq!(seconds, [1, 2, 4, 32, 60, 60]);
    }
}
