//! Reconciles a store: opens its connection, wakes its subscribers if that changed how they are served, and writes its
//! status.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;

use crate::controller::{
    context::Context,
    index::StoreKey,
    observed::{Reconciled, log_contest},
    store::{
        conclude::{ConnectionFacts, Inputs, conclude},
        connections::{Connected, StoreConnection},
        object::StoreObject,
        open::open,
        written_status::Shown,
    },
};
use crate::{
    api::StoreStatus,
    domain::{Fault, schedule::correction_limit::Correction},
};

/// Reconciles one store of either kind.
///
/// # Errors
/// If the status could not be written.
pub(crate) async fn reconcile(store: &StoreObject, context: &Context) -> Result<Reconciled, kube::Error> {
    let credentials = store.credentials.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
    context.foreign_secrets.follow(&store.uid, credentials);
    let previous = context.store_connections.get(&store.key);
    let connection = open(store, context, previous.as_ref().and_then(|previous| previous.as_deref().ok())).await;
    context.store_connections.set(&store.key, connection.clone());
    if is_change(previous.as_ref(), &connection) {
        log(&store.key, &connection);
        queue_subscribers(&store.key, context);
    }
    let status = context.store_statuses.get(&store.uid).unwrap_or_else(|| store.status.clone());
    let conclusion = conclude(&inputs(store, &status, context, connection.as_deref()));
    let correct_in = publish(store, context, conclusion.status).await?;
    let requeue_after = [conclusion.requeue_after, correct_in].into_iter().flatten().min();
    let action = requeue_after.map_or_else(Action::await_change, Action::requeue);
    Ok(Reconciled { reason: conclusion.reason, action })
}

/// Reports whether objects are served differently from before.
fn is_change(previous: Option<&Connected>, current: &Connected) -> bool {
    match (previous, current) {
        (Some(Ok(previous)), Ok(current)) => !current.serves_like(previous),
        (Some(Err(previous)), Err(current)) => previous != current,
        _ => true,
    }
}

fn log(store: &StoreKey, connection: &Connected) {
    match connection {
        Ok(connection) => tracing::info!(%store, region = connection.reader.scope().region, "connected"),
        Err(fault) => tracing::warn!(%store, reason = %fault.reason, "{}", fault.message),
    }
}

fn inputs<'a>(
    store: &'a StoreObject,
    status: &'a StoreStatus,
    context: &Context,
    connection: Result<&'a StoreConnection, &'a Fault>,
) -> Inputs<'a> {
    let facts = connection.map(|connection| {
        let reader = &connection.reader;
        let (parameters, load) = reader.load();
        ConnectionFacts {
            scope: reader.scope(),
            principal: reader.principal(),
            parameters,
            load,
            allowed: reader.rate_limit().limit(),
            check_due_in: connection.credential_health.check_due_in(),
        }
    });
    Inputs {
        uid: &store.uid,
        generation: store.generation,
        status,
        subscribers: context.index.lock().subscriber_count(&store.key),
        connection: facts,
        now: Timestamp::now(),
    }
}

/// Writes the status if it is news, or if somebody else changed it. Returns when to correct it, if that has to wait.
async fn publish(store: &StoreObject, context: &Context, status: StoreStatus) -> Result<Option<Duration>, kube::Error> {
    let shown = Shown { status: &store.status, resource_version: store.resource_version.as_deref() };
    let (namespace, name) = (store.key.namespace.as_deref(), &store.key.name);
    let write = context.store_statuses.decide(&store.uid, &status, shown, context.uptime());
    match write {
        Some(Correction::Now) => {
            let resource_version = match namespace {
                None => context.statuses.cluster_store(name, &status).await?,
                Some(namespace) => context.statuses.store(namespace, name, &status).await?,
            };
            remember(store, context, status, resource_version);
        }
        Some(later @ Correction::Later { .. }) if later.is_to_be_reported() => {
            log_contest(store.key.kind.as_str(), namespace, name);
        }
        // So that a later change by somebody else is noticed.
        None if context.store_statuses.get(&store.uid).is_none() => {
            remember(store, context, status, store.resource_version.clone());
        }
        Some(Correction::Later { .. }) | None => {}
    }
    Ok(write.and_then(Correction::wait))
}

/// Remembers the status that a store shows, unless the store was deleted meanwhile.
fn remember(store: &StoreObject, context: &Context, status: StoreStatus, resource_version: Option<String>) {
    if context.caches.store_uid(&store.key).as_ref() == Some(&store.uid) {
        context.store_statuses.set(&store.uid, status, resource_version);
    }
}

/// Removes everything that is kept of a store that was deleted, and queues its subscribers.
pub(crate) fn disconnect(key: &StoreKey, uid: Option<&str>, context: &Context) {
    if let Some(uid) = uid {
        context.foreign_secrets.follow(uid, None);
        context.store_statuses.remove(uid);
    }
    context.quotas.forget(&key.path());
    context.store_connections.remove(key);
    queue_subscribers(key, context);
}

/// Disconnects all stores that are not in the caches any more.
pub(crate) fn disconnect_deleted(context: &Context) {
    for key in context.store_connections.keys() {
        if context.caches.store_uid(&key).is_none() {
            disconnect(&key, None, context);
        }
    }
}

fn queue_subscribers(store: &StoreKey, context: &Context) {
    for object in context.index.lock().subscribers(store) {
        context.queues.add_object(object);
    }
}
