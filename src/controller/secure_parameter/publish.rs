//! Writes what was concluded: status, Events, log, and what to remember.

use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::{Resource, runtime::controller::Action};

use crate::controller::secure_parameter::inputs::Inputs;
use crate::{
    api::Reason,
    controller::{
        context::Context,
        observed::{Reconciled, log_contest},
    },
    domain::{
        report::{
            conclude::{Conclusion, News},
            event_format::Event,
        },
        schedule::object_state::{ObjectState, StatusWrite},
    },
};

/// Publishes a conclusion. Events are created even if the status cannot be written: what was done is reported in any case.
///
/// # Errors
/// The error of the API server if the status cannot be written. The controller then retries with exponential backoff.
pub(super) async fn publish(
    inputs: &Inputs<'_>,
    conclusion: Conclusion,
    context: &Context,
) -> Result<Reconciled, kube::Error> {
    let Conclusion { mut state, writes_status, reports_contest, events, wake, reason, news, .. } = conclusion;
    if let Some(purpose) = conclusion.repair {
        context.metrics.repaired(purpose);
    }
    let written = if writes_status { write_status(inputs, context, &mut state).await } else { Ok(()) };
    if context.index.lock().contains(&inputs.uid) {
        context.object_states.set(&inputs.uid, state);
    }
    for (event, time) in events {
        create_event(inputs, context, event, time).await;
    }
    log_news(news);
    if reports_contest {
        log_contest("SecureParameter");
    }
    if conclusion.credentials_refused {
        recheck_credentials(inputs, context);
    }
    let action = wake.map_or_else(Action::await_change, Action::requeue);
    written.map(|()| Reconciled { reason, action })
}

async fn write_status(inputs: &Inputs<'_>, context: &Context, state: &mut ObjectState) -> Result<(), kube::Error> {
    // An object of the same name may exist by now, and an apply to a status cannot be pinned to a uid.
    if context.index.lock().name_of(&inputs.namespace, &inputs.uid).is_none() {
        return Ok(());
    }
    match context.statuses.secure_parameter(&inputs.namespace, &inputs.name, &state.status).await {
        Ok(resource_version) => {
            state.status_write = StatusWrite::Written(resource_version);
            Ok(())
        }
        Err(error) => {
            state.status_write = StatusWrite::Failed;
            Err(error)
        }
    }
}

/// Creates an Event on the object.
pub(super) async fn create_event(inputs: &Inputs<'_>, context: &Context, event: Event, time: Timestamp) {
    let secret = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Secret".to_owned()),
        namespace: Some(inputs.namespace.to_string()),
        name: Some(inputs.object.secret_name().to_owned()),
        ..ObjectReference::default()
    };
    context.events.create(event, &inputs.object.object_ref(&()), Some(secret), time).await;
}

fn log_news(news: Option<News>) {
    match news {
        Some(News::Recovered(since)) => {
            tracing::info!(reason = Reason::Synced.as_str(), failing_since = %since, "synced again");
        }
        Some(News::Failed(fault)) => tracing::warn!(reason = fault.reason.as_str(), "{}", fault.message),
        None => {}
    }
}

/// Has the store check its credentials, and show the failure itself.
fn recheck_credentials(inputs: &Inputs<'_>, context: &Context) {
    if let Some(Ok(connection)) = context.store_connections.get(&inputs.store_key) {
        if let Some(reader) = connection.sessions.shared() {
            reader.credential_health().mark_refused();
        }
        context.queues.add_store(inputs.store_key.clone());
    }
}
