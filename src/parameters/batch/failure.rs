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

/// Handles a call that failed as a whole. First it is retried, if the policy says so. What a retry does not mend may be
/// the fault of one name, whatever AWS calls it, so the call is split, until each name at fault is alone. Only if AWS
/// fails as a whole is that of no use.
pub(crate) async fn handle_failure<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    mode: ReadMode,
    names: Vec<QueuedName>,
    error: AwsError,
    access: &Arc<Access>,
) {
    if error.kind == AwsErrorKind::Throttled {
        shared.client.rate_limits.parameters.throttled();
    }
    let (is_out, was_alone) = (is_out(shared, mode, &names, error.kind), names.len() == 1);
    let (retried, given_up, delay) = divide(names, error.kind, Instant::now());
    if error.kind != AwsErrorKind::Throttled && !was_alone && !is_out {
        shared.requeue_parts(mode, split(given_up, &error));
    } else if !given_up.is_empty() {
        if was_alone && error.kind != AwsErrorKind::Throttled && !is_out {
            // It is at fault, so it is requested alone from now on.
            for name in &given_up {
                shared.state().isolate(mode, &name.parameter_ref, error.kind, Instant::now());
            }
        }
        let key = shared.client.unavailable_key(&error, &objects(&given_up)).await;
        deliver_error(given_up, error, key, access);
    }
    if retried.iter().all(|name| name.waiters.is_empty()) {
        return;
    }
    if !delay.is_zero() {
        sleep(delay).await;
    }
    shared.requeue(mode, retried);
}

/// Counts a failed call. Reports whether AWS fails as a whole.
fn is_out<A>(shared: &Shared<A>, mode: ReadMode, names: &[QueuedName], kind: AwsErrorKind) -> bool {
    let mut state = shared.state();
    match names {
        // What is known to be the fault of a name says nothing of AWS.
        [name] if state.is_isolated(mode, &name.parameter_ref) => {}
        _ if retry::concerns_service(kind) => state.failing.failed(),
        _ => state.failing.answered(),
    }
    state.end_isolation_if_out();
    state.failing.is_out()
}

/// Applies the retry policy to each waiter. Returns the names of those that wait for the next attempt, the names of
/// those that waited too long, and the delay before the next attempt.
fn divide(names: Vec<QueuedName>, kind: AwsErrorKind, now: Instant) -> (Vec<QueuedName>, Vec<QueuedName>, Duration) {
    let (mut retried, mut given_up, mut delay) = (Vec::new(), Vec::new(), Duration::ZERO);
    for name in names {
        let failures = name.failures;
        let decide = |since| retry::decide(kind, failures, now.saturating_duration_since(since));
        delay = name.waiters.iter().map(|waiter| decide(waiter.since)).fold(delay, |longest, retry| match retry {
            Retry::After(delay) => longest.max(delay),
            Retry::GiveUp => longest,
        });
        let (ended, mut again) = name.divide(|waiter| decide(waiter.since) == Retry::GiveUp);
        again.failures += u32::from(retry::counts(kind));
        given_up.extend(Some(ended).filter(|name| !name.waiters.is_empty()));
        retried.extend(Some(again).filter(|name| !name.waiters.is_empty()));
    }
    (retried, given_up, delay)
}
