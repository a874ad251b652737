//! Reconciles a store: opens its connection, wakes its subscribers if that changed how they are served, and writes its
//! status.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::runtime::{controller::Action, reflector::ObjectRef};

use crate::controller::{
    context::Context,
    index::StoreKey,
    observed::{Reconciled, log_contest},
    store::{
        activity::Activity,
        conclude::{ConnectionFacts, Inputs, conclude},
        connections::{Connected, StoreConnection},
        fault::StoreFault,
        object::StoreObject,
        open::open,
        sessions::Sessions,
        written_status::Shown,
    },
};
use crate::{
    api::{Reason, StoreKind, StoreStatus},
    domain::{Fault, access::namespace_usage::NamespaceLimit, schedule::correction_limit::Correction},
};

/// Reconciles one store of either kind.
///
/// # Errors
/// If the status could not be written.
pub(crate) async fn reconcile(store: &StoreObject, context: &Context) -> Result<Reconciled, kube::Error> {
    // A store of the same name was deleted, and the watch did not say so.
    if let Some(former) = context.store_connections.uid(&store.key).filter(|uid| *uid != store.uid) {
        disconnect(&store.key, &former, context);
    }
    let previous = context.store_connections.get(&store.key);
    let connection = match claim(store, context) {
        Ok(()) => open(store, &context.gateway, previous.as_ref().and_then(|previous| previous.as_deref().ok())).await,
        Err(fault) => Err(StoreFault::of_spec(fault)),
    };
    report(store, context, previous, connection).await
}

/// Counts a namespaced store and its credentials as usage of its namespace, and watches the credentials.
///
/// # Errors
/// `NamespaceLimitReached` if the namespace has too many of either.
fn claim(store: &StoreObject, context: &Context) -> Result<(), Fault> {
    let credentials = store.credentials();
    let Some(namespace) = &store.key.namespace else {
        // Cluster stores are the platform team's, and not counted.
        context.foreign_secrets.follow(&store.uid, credentials);
        return Ok(());
    };
    let claimed =
        context.usage.lock().claim(namespace, &store.uid, NamespaceLimit::Stores, std::iter::once(&store.uid));
    let secret = context.follow_secret(namespace, &store.uid, credentials.filter(|_| claimed.is_ok()));
    claimed.and(secret)
}

/// Disconnects a store because of a fault, and shows it.
///
/// # Errors
/// If the status could not be written.
pub(crate) async fn fail(store: &StoreObject, context: &Context, fault: Fault) -> Result<Reconciled, kube::Error> {
    let previous = context.store_connections.get(&store.key);
    report(store, context, previous, Err(StoreFault::of_spec(fault))).await
}

/// Connects a store, or disconnects it, and shows that.
async fn report(
    store: &StoreObject,
    context: &Context,
    previous: Option<Connected>,
    connection: Connected,
) -> Result<Reconciled, kube::Error> {
    if !connect(store, &connection, context) {
        if cached_version(&store.key, context).is_none_or(|(uid, _)| uid != store.uid) {
            disconnect(&store.key, &store.uid, context);
        }
        // A store that changed meanwhile is queued already.
        return Ok(Reconciled { reason: Reason::Progressing, action: Action::await_change() });
    }
    if is_change(previous.as_ref(), &connection) {
        log(&connection);
        queue_subscribers(&store.key, context);
    }
    // Closes the former reader, if no store uses it any more.
    drop(previous);
    let status = context.store_statuses.get(&store.uid).unwrap_or_else(|| store.status.clone());
    let conclusion = conclude(&inputs(store, &status, context, connection.as_deref()));
    let correct_in = publish(store, context, conclusion.status).await?;
    let requeue_after = [conclusion.requeue_after, correct_in].into_iter().flatten().min();
    let action = requeue_after.map_or_else(Action::await_change, Action::requeue);
    Ok(Reconciled { reason: conclusion.reason, action })
}

/// Sets the connection and the quota of a store, unless the store was deleted or changed while the connection was opened.
/// Returns whether it did.
fn connect(store: &StoreObject, connection: &Connected, context: &Context) -> bool {
    let is_current = || {
        let is_current = cached_version(&store.key, context) == Some((store.uid.clone(), store.generation));
        if is_current && let Ok(connection) = connection {
            let scope = connection.sessions.scope();
            context.gateway.quotas.set(&store.key.path(), &scope.account, &scope.region, store.quota);
        }
        is_current
    };
    context.store_connections.set(&store.key, &store.uid, connection.clone(), is_current)
}

/// Returns uid and generation of a store in the cache.
fn cached_version(key: &StoreKey, context: &Context) -> Option<(String, Option<i64>)> {
    let version = |meta: &ObjectMeta| (meta.uid.clone().unwrap_or_default(), meta.generation);
    match (&key.kind, &key.namespace) {
        (StoreKind::ParameterStore, Some(namespace)) => {
            let store = context.caches.stores.get(&ObjectRef::new(&key.name).within(namespace))?;
            Some(version(&store.metadata))
        }
        _ => Some(version(&context.caches.cluster_stores.get(&ObjectRef::new(&key.name))?.metadata)),
    }
}

/// Reports whether objects are served differently from before.
fn is_change(previous: Option<&Connected>, current: &Connected) -> bool {
    match (previous, current) {
        (Some(Ok(previous)), Ok(current)) => !current.serves_like(previous),
        (Some(Err(previous)), Err(current)) => previous != current,
        _ => true,
    }
}

fn log(connection: &Connected) {
    match connection {
        Ok(connection) => {
            let region = &connection.sessions.scope().region;
            tracing::info!(reason = Reason::Synced.as_str(), region, "connected");
        }
        Err(StoreFault { fault, .. }) => tracing::warn!(reason = fault.reason.as_str(), "{}", fault.message),
    }
}

fn inputs<'a>(
    store: &'a StoreObject,
    status: &'a StoreStatus,
    context: &Context,
    connection: Result<&'a StoreConnection, &'a StoreFault>,
) -> Inputs<'a> {
    let facts = connection.map(|connection| {
        let sessions = &connection.sessions;
        let activity = Activity::of(&store.key, sessions, context);
        let is_first_report = context.store_statuses.get(&store.uid).is_none();
        ConnectionFacts {
            scope: sessions.scope(),
            principal: sessions.principal(),
            activity: if is_first_report { activity.continuing(status) } else { activity },
            check_due_in: sessions.shared().and_then(|reader| reader.credential_health().check_due_in()),
            follows_service_account: connection.follows_service_account(),
        }
    });
    Inputs {
        uid: &store.uid,
        generation: store.generation,
        status,
        subscribers: context.index.lock().subscriber_count(&store.key),
        connection: facts.map_err(|fault| &fault.fault),
        now: Timestamp::now(),
    }
}

/// Writes the status if it is news, or if somebody else changed it. Returns when to correct it, if that has to wait.
async fn publish(store: &StoreObject, context: &Context, status: StoreStatus) -> Result<Option<Duration>, kube::Error> {
    let shown = Shown { status: &store.status, resource_version: store.resource_version.as_deref() };
    let (namespace, name) = (store.key.namespace.as_deref(), &store.key.name);
    // Operators of other namespaces may use the store too, and one status cannot have several writers.
    if namespace.is_none() && context.caches.scope.is_limited() {
        return Ok(None);
    }
    // Neither can those that share a cluster. What another one writes is no correction of this one's.
    if context.shards.living().leaves_stores(namespace) {
        context.store_statuses.remove(&store.uid);
        return Ok(None);
    }
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
            log_contest(store.key.kind.as_str());
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

/// Queues the stores whose activity is another one than their status shows, and the objects that wait for a session while
/// there is room for one.
pub(crate) fn queue_changed_activities(context: &Context) {
    for (key, uid) in context.store_connections.all() {
        let Some(Ok(connection)) = context.store_connections.get(&key) else { continue };
        if let Sessions::PerNamespace(sessions) = &connection.sessions {
            for namespace in sessions.waiting_for_room(context.gateway.max_sessions) {
                context.queue_readers(&key, &namespace);
            }
        }
        let Some(status) = context.store_statuses.get(&uid) else { continue };
        if Activity::of(&key, &connection.sessions, context).is_news(&status) {
            context.queues.add_store(key);
        }
    }
}

/// Removes everything that is kept of a store that was deleted, and queues its subscribers.
pub(crate) fn disconnect(key: &StoreKey, uid: &str, context: &Context) {
    if let Some(namespace) = &key.namespace {
        // Whoever follows nothing is never refused.
        let _ = context.follow_secret(namespace, uid, None);
        context.usage.lock().release(namespace, uid, NamespaceLimit::Stores);
    } else {
        context.foreign_secrets.follow(uid, None);
    }
    context.store_statuses.remove(uid);
    if context.store_connections.remove(key, uid) {
        context.gateway.quotas.forget(&key.path());
    }
    context.set_aside.forget(key.kind.as_str(), key.namespace.as_deref(), &key.name);
    queue_subscribers(key, context);
}

/// Disconnects all stores that are not in the caches any more.
pub(crate) fn disconnect_deleted(context: &Context) {
    for (key, uid) in context.store_connections.all() {
        if cached_version(&key, context).is_none_or(|(current, _)| current != uid) {
            disconnect(&key, &uid, context);
        }
    }
}

fn queue_subscribers(store: &StoreKey, context: &Context) {
    for object in context.index.lock().subscribers(store) {
        context.queues.add_object(object);
    }
}
