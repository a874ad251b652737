//! Reconciles a store: opens its connection, wakes its subscribers if that changed how they are served, and writes its
//! status.

use k8s_openapi::jiff::Timestamp;
use kube::runtime::{controller::Action, reflector::ObjectRef};

use crate::controller::{
    context::Context,
    index::StoreKey,
    observed::Reconciled,
    store::{
        conclude::{ConnectionFacts, Inputs, conclude},
        connections::{Connected, StoreConnection},
        object::StoreObject,
        open::open,
    },
};
use crate::{
    api::{StoreKind, StoreStatus},
    domain::Fault,
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
    connect(store, context, connection).await
}

/// Disconnects a store because of a fault, and shows it.
///
/// # Errors
/// If the status could not be written.
pub(crate) async fn fail(store: &StoreObject, context: &Context, fault: Fault) -> Result<Reconciled, kube::Error> {
    connect(store, context, Err(fault)).await
}

async fn connect(store: &StoreObject, context: &Context, connection: Connected) -> Result<Reconciled, kube::Error> {
    let previous = context.store_connections.get(&store.key);
    context.store_connections.set(&store.key, connection.clone());
    if is_change(previous.as_ref(), &connection) {
        log(&store.key, &connection);
        queue_subscribers(&store.key, context);
    }
    let conclusion = conclude(&inputs(store, context, connection.as_deref()));
    publish(store, context, &conclusion.status).await?;
    let action = conclusion.requeue_after.map_or_else(Action::await_change, Action::requeue);
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
        status: &store.status,
        subscribers: context.index.lock().subscriber_count(&store.key),
        connection: facts,
        now: Timestamp::now(),
    }
}

async fn publish(store: &StoreObject, context: &Context, status: &StoreStatus) -> Result<(), kube::Error> {
    if *status == store.status {
        return Ok(());
    }
    match &store.key.namespace {
        None => context.statuses.cluster_store(&store.key.name, status).await,
        Some(namespace) => context.statuses.store(namespace, &store.key.name, status).await,
    }
}

/// Removes everything that is kept of a store that was deleted, and queues its subscribers.
pub(crate) fn disconnect(key: &StoreKey, uid: Option<&str>, context: &Context) {
    if let Some(uid) = uid {
        context.foreign_secrets.follow(uid, None);
    }
    context.set_aside.forget(key.kind.as_str(), key.namespace.as_deref(), &key.name);
    context.quotas.forget(&key.path());
    context.store_connections.remove(key);
    queue_subscribers(key, context);
}

/// Disconnects all stores that are not in the caches any more.
pub(crate) fn disconnect_deleted(context: &Context) {
    for key in context.store_connections.keys() {
        let exists = match (&key.kind, &key.namespace) {
            (StoreKind::ParameterStore, Some(namespace)) => {
                context.caches.stores.get(&ObjectRef::new(&key.name).within(namespace)).is_some()
            }
            _ => context.caches.cluster_stores.get(&ObjectRef::new(&key.name)).is_some(),
        };
        if !exists {
            disconnect(&key, None, context);
        }
    }
}

fn queue_subscribers(store: &StoreKey, context: &Context) {
    for object in context.index.lock().subscribers(store) {
        context.queues.add_object(object);
    }
}
