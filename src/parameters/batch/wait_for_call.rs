//! When the next call is made: once it has a slot, its batch window has passed, and it is admitted.

use std::{future, sync::Arc};

use tokio::time::{Instant, sleep_until};

use crate::parameters::{
    audit_room::wait_for_room,
    batch::{
        dispatch::{ScheduledCall, dispatch},
        shared::Shared,
    },
    port::ParameterApi,
    quota::{
        admission::{CallPermit, QueuePlace},
        claim::Claim,
    },
};

/// Makes calls for as long as it is polled.
pub(crate) async fn run<A: ParameterApi>(shared: Arc<Shared<A>>) {
    loop {
        if shared.state().is_idle() {
            shared.added.notified().await;
            continue;
        }
        // A slot first, then its turn, then the names: which names are in a call is decided as late as possible.
        let Ok(slot) = Arc::clone(&shared.slots).acquire_owned().await else { return };
        wait_for_room(&*shared.client.audit_sink).await;
        let turn = wait_for_turn(&shared).await;
        let Some(call) = turn.and_then(|(claim, permit)| scheduled_call(&shared, claim, permit)) else { continue };
        tokio::spawn(dispatch(Arc::clone(&shared), call, slot));
    }
}

/// Waits until a call is admitted. `None` if nobody waits any more.
async fn wait_for_turn<A: ParameterApi>(shared: &Shared<A>) -> Option<(Claim, CallPermit)> {
    let place = shared.client.rate_limits.parameters.join();
    loop {
        let next = offer(shared, &place)?;
        let more_is_ripe = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            biased;
            turn = place.turn() => return Some(turn),
            () = shared.added.notified() => {}
            () = more_is_ripe => {}
        }
    }
}

/// Offers what may be called for now. Returns when there may be more, or `None` if nothing waits.
#[expect(clippy::option_option, reason = "nothing waits, or no time is known at which more may be called for")]
fn offer<A: ParameterApi>(shared: &Shared<A>, place: &QueuePlace<'_>) -> Option<Option<Instant>> {
    let (claims, next) = {
        let state = shared.state();
        if state.is_idle() {
            return None;
        }
        state.claims(Instant::now())
    };
    place.offer(claims);
    Some(next)
}

fn scheduled_call<A: ParameterApi>(shared: &Shared<A>, claim: Claim, permit: CallPermit) -> Option<ScheduledCall> {
    let admission = &shared.client.rate_limits.parameters;
    let began = Instant::now();
    let Some((mode, batch)) = shared.state().begin_call(&claim, began) else {
        admission.refund();
        return None;
    };
    admission.charge(&batch.shares());
    Some(ScheduledCall { mode, names: batch.names, tenant: claim.tenant, began, permit })
}
