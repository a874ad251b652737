//! One `GetParameters` call: made, recorded, and its results handed out.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::domain::{audit::Access, parameter::name::ParameterRef};
use crate::parameters::{
    batch::{
        direct_kms::decrypt_all,
        failure::handle_failure,
        match_response::{Matched, match_response},
        missing_version::report_missing,
        record_call::record_call,
        requests::{QueuedName, Waiter},
        shared::Shared,
    },
    outcome::failed,
    port::{Attempt, ParameterApi, ReadMode},
    quota::{admission::CallPermit, claim::Tenant},
    random,
    read_error::{ReadError, service_failure},
};

/// A call that is about to be made.
pub(crate) struct ScheduledCall {
    pub(crate) mode: ReadMode,
    pub(crate) names: Vec<QueuedName>,
    /// Whose turn it took.
    pub(crate) tenant: Tenant,
    pub(crate) began: Instant,
    pub(crate) permit: CallPermit,
}

/// A call that is in flight until this ends, or is dropped because its task panicked.
struct CallInFlight<'s, A> {
    shared: &'s Shared<A>,
    mode: ReadMode,
    tenant: Tenant,
    names: Vec<ParameterRef>,
    began: Instant,
}

impl<A> CallInFlight<'_, A> {
    /// Ends the call. Returns those who joined it.
    fn end(mut self) -> HashMap<ParameterRef, Vec<Waiter>> {
        self.take_joined()
    }

    fn take_joined(&mut self) -> HashMap<ParameterRef, Vec<Waiter>> {
        let names = std::mem::take(&mut self.names);
        let joined = self.shared.state().end_call(self.mode, &self.tenant, names.iter(), self.began);
        // The tenant may have reached its most calls in flight.
        self.shared.added.notify_one();
        joined
    }
}

impl<A> Drop for CallInFlight<'_, A> {
    fn drop(&mut self) {
        if !self.names.is_empty() {
            self.take_joined();
        }
    }
}

/// Makes a call and serves all who wait for its names. The slot is free again once AWS has answered: whatever follows
/// waits for a turn of its own.
pub(crate) async fn dispatch<A: ParameterApi>(shared: Arc<Shared<A>>, call: ScheduledCall, slot: OwnedSemaphorePermit) {
    let ScheduledCall { mode, mut names, tenant, began, permit } = call;
    let requested: Vec<_> = names.iter().map(|name| name.parameter_ref.clone()).collect();
    let in_flight = CallInFlight { shared: &shared, mode, tenant, names: requested.clone(), began };
    let request: Vec<_> = requested.iter().map(ParameterRef::request_name).collect();
    // A bug that only some names bring to light must not end the work on the others.
    let attempt = AssertUnwindSafe(shared.client.api.get_parameters(&request, mode)).catch_unwind().await;
    drop(slot);
    let mut joined = in_flight.end();
    for name in &mut names {
        name.waiters.extend(joined.remove(&name.parameter_ref).unwrap_or_default());
    }
    let Ok(Attempt { call, result }) = attempt else {
        let access = Arc::new(panicked_call(mode, &requested));
        drop(permit);
        let error = service_failure("a bug of the operator ended the call".to_owned());
        return handle_failure(&shared, mode, names, error, &access).await;
    };
    let result = result.map(|response| match_response(&requested, response));
    let access = Arc::new(record_call(&shared.client, mode, call, &names, &requested, result.as_ref().ok()));
    drop(permit);
    match result {
        Ok(found) => hand_out(&shared, mode, names, found, &access).await,
        Err(error) => handle_failure(&shared, mode, names, error, &access).await,
    }
}

/// A call of which nothing is known but what it was made for. The log has the place of the panic.
fn panicked_call(mode: ReadMode, requested: &[ParameterRef]) -> Access {
    Access {
        event_name: "GetParameters",
        request_id: None,
        audit_id: random::id(),
        time: Timestamp::now(),
        decrypting: mode == ReadMode::Decrypt,
        parameters: requested.iter().map(failed).collect(),
        failed: true,
    }
}

async fn hand_out<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    mode: ReadMode,
    names: Vec<QueuedName>,
    found: Vec<Matched>,
    access: &Arc<Access>,
) {
    let (mut missing, mut encrypted, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    {
        let mut state = shared.state();
        state.failing.answered();
        for name in &names {
            state.end_isolation(mode, &name.parameter_ref);
        }
    }
    for (name, found) in names.into_iter().zip(found) {
        let is_required = name.waiters.iter().any(|waiter| !waiter.optional);
        match found {
            Matched::Absent if name.parameter_ref.selector.is_some() && is_required => missing.push(name),
            Matched::Absent => name.deliver(&Err(ReadError::NotFound), std::slice::from_ref(access)),
            Matched::LeftOut => left_out.push(name),
            Matched::Found(found) if mode == ReadMode::Ciphertext && found.is_encrypted() => {
                encrypted.push((name, found));
            }
            Matched::Found(found) => name.deliver(&Ok(Some(Arc::new(found))), std::slice::from_ref(access)),
        }
    }
    report_missing(shared, missing, access);
    decrypt_all(shared, encrypted, access).await;
    if !left_out.is_empty() {
        let error = service_failure("the answer lacks a parameter that was asked for".to_owned());
        handle_failure(shared, mode, left_out, error, access).await;
    }
}
