//! What happens to the names of a failed call: they are retried, the call is split, or the error is reported.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::domain::{
    audit::Access,
    aws_error::{AwsError, AwsErrorKind},
};
use crate::parameters::{
    batch::{
        record_call::objects,
        requests::{QueuedName, deliver_error},
        shared::Shared,
        split::split,
    },
    port::{ParameterApi, ReadMode},
    retry::{self, Retry},
};

/// Handles a call that failed as a whole.
pub(crate) async fn handle_failure<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    mode: ReadMode,
    names: Vec<QueuedName>,
    error: AwsError,
    access: &Arc<Access>,
) {
    match error.kind {
        AwsErrorKind::Throttled => {
            shared.client.rate_limits.parameters.throttled();
            retry_or_report(shared, mode, names, error, access).await;
        }
        // These say nothing of single names.
        AwsErrorKind::ServiceUnavailable | AwsErrorKind::EndpointUnreachable | AwsErrorKind::CredentialsInvalid => {
            retry_or_report(shared, mode, names, error, access).await;
        }
        _ if names.len() > 1 => shared.requeue_parts(mode, split(names, &error)),
        _ => {
            if let Some(culprit) = names.first() {
                shared.state().isolate(mode, &culprit.parameter_ref);
            }
            let key = shared.client.unavailable_key(&error, &objects(&names)).await;
            deliver_error(names, error, key, access);
        }
    }
}

/// Applies the retry policy to each waiter: those that waited too long get the error, the others wait for the next
/// attempt.
async fn retry_or_report<A: ParameterApi>(
    shared: &Shared<A>,
    mode: ReadMode,
    names: Vec<QueuedName>,
    error: AwsError,
    access: &Arc<Access>,
) {
    let (now, mut delay) = (Instant::now(), Duration::ZERO);
    let (mut reported, mut retried) = (Vec::new(), Vec::new());
    for name in names {
        let (kind, failures) = (error.kind, name.failures);
        let decide = |since| retry::decide(kind, failures, now.saturating_duration_since(since));
        delay = name.waiters.iter().map(|waiter| decide(waiter.since)).fold(delay, |longest, retry| match retry {
            Retry::After(delay) => longest.max(delay),
            Retry::GiveUp => longest,
        });
        let (given_up, mut again) = name.divide(|waiter| decide(waiter.since) == Retry::GiveUp);
        again.failures += u32::from(retry::counts(kind));
        reported.push(given_up);
        retried.push(again);
    }
    deliver_error(reported, error, None, access);
    if retried.iter().all(|name| name.waiters.is_empty()) {
        return;
    }
    if !delay.is_zero() {
        sleep(delay).await;
    }
    shared.requeue(mode, retried);
}
