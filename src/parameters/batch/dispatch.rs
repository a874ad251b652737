//! One `GetParameters` call: made, recorded, and its results handed out.

use std::sync::Arc;

use tokio::time::Instant;

use crate::domain::audit::Access;
use crate::parameters::{
    batch::{
        direct_kms::decrypt_all, failure::handle_failure, match_response::match_response,
        missing_version::report_missing, record_call::record_call, requests::QueuedName, shared::Shared,
    },
    port::{Attempt, Parameter, ParameterApi, ReadMode},
    quota::bucket::CallPermit,
    read_error::ReadError,
};

/// A call that is about to be made.
pub(crate) struct ScheduledCall {
    pub(crate) mode: ReadMode,
    pub(crate) names: Vec<QueuedName>,
    pub(crate) began: Instant,
    pub(crate) permit: CallPermit,
}

/// Makes a call and serves all who wait for its names.
pub(crate) async fn dispatch<A: ParameterApi>(shared: &Arc<Shared<A>>, call: ScheduledCall) {
    let ScheduledCall { mode, mut names, began, permit } = call;
    let request: Vec<_> = names.iter().map(|name| name.parameter_ref.request_name()).collect();
    let Attempt { call, result } = shared.client.api.get_parameters(&request, mode).await;
    shared.state().end_call(mode, &mut names, began);
    let requested: Vec<_> = names.iter().map(|name| &name.parameter_ref).collect();
    let result = result.map(|response| match_response(&requested, response));
    let access = record_call(&shared.client, mode, call, &names, &requested, result.as_ref().ok());
    let access = Arc::new(access);
    drop(permit);
    match result {
        Ok(found) => hand_out(shared, mode, names, found, &access).await,
        Err(error) => handle_failure(shared, mode, names, error, &access).await,
    }
}

async fn hand_out<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    mode: ReadMode,
    names: Vec<QueuedName>,
    found: Vec<Option<Parameter>>,
    access: &Arc<Access>,
) {
    let (mut missing, mut encrypted) = (Vec::new(), Vec::new());
    for (name, found) in names.into_iter().zip(found) {
        shared.state().end_isolation(mode, &name.parameter_ref);
        let is_required = name.waiters.iter().any(|waiter| !waiter.optional);
        match found {
            None if name.parameter_ref.selector.is_some() && is_required => missing.push(name),
            None => name.deliver(&Err(ReadError::NotFound), std::slice::from_ref(access)),
            Some(found) if mode == ReadMode::Ciphertext && found.is_encrypted() => encrypted.push((name, found)),
            Some(found) => name.deliver(&Ok(Some(Arc::new(found))), std::slice::from_ref(access)),
        }
    }
    decrypt_all(shared, encrypted, access).await;
    report_missing(shared, mode, missing, access).await;
}
