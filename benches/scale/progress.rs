//! Waits until the operator has done something. All but [`settled`] read the operator's metrics, because requests to the
//! API server would slow down what is measured.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use testbed::wait::eventually;

use crate::{
    apiserver::{self, Requests},
    fleet::{Fleet, is_synced},
    operator,
    support::{Operator, World},
};

/// Waits until the HTTP pages of the operator answer that it is ready.
pub async fn ready(operator: &Operator, fleet: Fleet) -> Result<()> {
    let ready = async || Ok((operator.get("/readyz").await?.0 == 200).then_some(()));
    until(operator, "the operator to be ready", fleet, ready).await
}

/// Waits until exactly this many objects have these reasons.
pub async fn reasons(operator: &Operator, fleet: Fleet, expected: &[(&str, usize)]) -> Result<()> {
    let expected: BTreeMap<_, _> = expected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
    let mut seen = BTreeMap::new();
    let what = format!("objects to show {expected:?}");
    let waited = until(operator, &what, fleet, async || {
        seen = operator::counts(operator).await?.objects;
        Ok((seen == expected).then_some(()))
    });
    let waited = waited.await;
    waited.with_context(|| format!("objects by reason: {seen:?}"))
}

/// Waits until all objects are in sync for the first time. Returns when the last of their Events was written, which is the
/// last of what a first sync writes.
///
/// The operator counts its objects only once a second, so the API server is asked. Its metrics are expensive, so it is
/// asked only when all Secrets are written and little is left.
pub async fn first_syncs(world: &World, fleet: Fleet, before: &Requests) -> Result<Instant> {
    let operator = world.operator();
    let secrets = async || Ok((operator::value(operator, "secret_writes_total").await? >= fleet.objects).then_some(()));
    until(operator, "all Secrets to be written", fleet, secrets).await?;
    let events = async || {
        let requests = apiserver::since(before, apiserver::requests(&world.client).await?);
        let events = requests.get("events POST").copied().unwrap_or_default();
        Ok((usize::try_from(events)? >= fleet.objects).then(Instant::now))
    };
    let end = until(operator, "an Event for each object", fleet, events).await?;
    reasons(operator, fleet, &[("Synced", fleet.objects)]).await?;
    Ok(end)
}

/// Waits until the operator has reconciled as often as there are objects, and found them in sync.
pub async fn all_reconciled(operator: &Operator, fleet: Fleet) -> Result<()> {
    let reconciled = async || Ok((operator::counts(operator).await?.synced >= fleet.objects).then_some(()));
    until(operator, "all objects to be reconciled", fleet, reconciled).await
}

/// Waits until the status of every object in sync names its keys. The operator looks them up when it has nothing else to
/// do.
pub async fn settled(world: &World, fleet: Fleet) -> Result<()> {
    let wait = async {
        loop {
            let objects = fleet.list(world).await?;
            let has_keys = |status: &secure_parameter_operator::api::SecureParameterStatus| {
                status.parameters.iter().all(|parameter| parameter.key_arn.is_some())
            };
            if objects.iter().all(|object| !is_synced(object) || object.status.as_deref().is_some_and(has_keys)) {
                return Ok(());
            }
            // Not more often, because the list is long.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    tokio::time::timeout(fleet.patience(), wait).await?
}

/// Waits for something that the operator does. Fails at once if the operator ends.
pub async fn until<T>(
    operator: &Operator,
    what: &str,
    fleet: Fleet,
    mut check: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let check = async || {
        if let Err(error) = operator.process().ensure_running() {
            return Ok(Some(Err(error)));
        }
        Ok(check().await?.map(Ok))
    };
    eventually(what, fleet.patience(), check).await?
}
