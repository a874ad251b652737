//! Whether a parameter is missing or only the requested version or label.
//!
//! `GetParameters` reports both in the same way. A second call for the names without their selectors tells them apart.
//! It needs no other IAM action, and, since it does not decrypt, no access to keys.

use std::sync::Arc;

use tokio::time::Instant;

use crate::domain::{audit::Access, parameter::name::ParameterRef};
use crate::parameters::{
    batch::{
        failure::handle_failure, match_response::match_response, record_call::record_call, requests::QueuedName,
        shared::Shared,
    },
    port::{Attempt, ParameterApi, ReadMode},
    read_error::ReadError,
};

/// Reports, for each of these names, that the parameter or its version is missing. `access` is the call of this mode
/// that did not find them.
pub(crate) async fn report_missing<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    mode: ReadMode,
    names: Vec<QueuedName>,
    access: &Arc<Access>,
) {
    // Secrets of Secrets Manager cannot be read without decryption.
    let (references, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.parameter_ref.is_reference());
    for (check, names) in [(ReadMode::Decrypt, references), (ReadMode::Version, others)] {
        if !names.is_empty() {
            check_names(shared, (mode, check), names, access).await;
        }
    }
}

async fn check_names<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    (mode, check): (ReadMode, ReadMode),
    names: Vec<QueuedName>,
    access: &Arc<Access>,
) {
    let without_selector = |name: &QueuedName| ParameterRef { selector: None, ..name.parameter_ref.clone() };
    let refs: Vec<_> = names.iter().map(without_selector).collect();
    let (request, requested): (Vec<_>, Vec<_>) = refs.iter().map(|name| (name.request_name(), name)).unzip();
    let permit = shared.client.rate_limits.parameters.acquire(Instant::now()).await;
    let Attempt { call, result } = shared.client.api.get_parameters(&request, check).await;
    let result = result.map(|response| match_response(&requested, response));
    let second = record_call(&shared.client, check, call, &names, &requested, result.as_ref().ok());
    let second = Arc::new(second);
    drop(permit);
    let found = match result {
        Ok(found) => found,
        // Nothing is known then; in particular, the parameter is not known to be missing.
        Err(error) => return handle_failure(shared, mode, names, error, &second).await,
    };
    for (name, found) in names.into_iter().zip(found) {
        let error = if found.is_some() { ReadError::VersionNotFound } else { ReadError::NotFound };
        name.deliver(&Err(error), &[access.clone(), second.clone()]);
    }
}
