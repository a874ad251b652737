//! When the next call is made: once it has a slot, its batch window has passed, and the rate limit gives it a token.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::parameters::{
    batch::{
        dispatch::{ScheduledCall, dispatch},
        shared::Shared,
    },
    port::{ParameterApi, ReadMode},
};

/// How long a call waits for more names.
const BATCH_WINDOW: Duration = Duration::from_millis(25);

/// Makes calls for as long as it is polled.
pub(crate) async fn run<A: ParameterApi>(shared: Arc<Shared<A>>) {
    loop {
        if shared.state().most_urgent().is_none() {
            shared.added.notified().await;
            continue;
        }
        // A slot first, then a token, then the names: which names are in a call is decided as late as possible.
        let Ok(slot) = Arc::clone(&shared.slots).acquire_owned().await else { return };
        let Some(call) = scheduled_call(&shared).await else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            dispatch(&shared, call).await;
            drop(slot);
        });
    }
}

/// Waits until the most urgent names may be requested. `None` if names that are more urgent were added meanwhile, or
/// nobody waits any more.
async fn scheduled_call<A: ParameterApi>(shared: &Shared<A>) -> Option<ScheduledCall> {
    let (mode, _) = shared.state().most_urgent()?;
    wait_for_batch(shared, mode).await;
    let (_, deadline) = shared.state().most_urgent()?;
    let rate_limit = &shared.client.rate_limits.parameters;
    let permit = tokio::select! {
        biased;
        permit = rate_limit.acquire(deadline) => permit,
        // The place in the queue for tokens depends on the deadline, so it is taken again.
        () = added_before(shared, deadline) => return None,
    };
    let began = Instant::now();
    let call = shared.state().begin_call(began);
    let Some((mode, names)) = call else {
        rate_limit.refund();
        return None;
    };
    Some(ScheduledCall { mode, names, began, permit })
}

/// Waits until names are added whose deadline is before this one.
async fn added_before<A: ParameterApi>(shared: &Shared<A>, deadline: Instant) {
    loop {
        shared.added.notified().await;
        let most_urgent = shared.state().most_urgent();
        if most_urgent.is_some_and(|(_, earliest)| earliest < deadline) {
            return;
        }
    }
}

/// Waits until the batch window of the next call has passed. A call that is full already waits too, because other
/// objects may be about to request the same names.
async fn wait_for_batch<A: ParameterApi>(shared: &Shared<A>, mode: ReadMode) {
    loop {
        let opened_at = shared.state().window_opened_at(mode);
        let Some(until) = opened_at.map(|at| at + BATCH_WINDOW).filter(|until| *until > Instant::now()) else {
            return;
        };
        tokio::select! {
            () = sleep_until(until) => return,
            () = shared.added.notified() => {}
        }
    }
}
