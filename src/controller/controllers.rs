//! The controllers, one for each kind: what triggers a reconcile, and what follows an error.

use std::{future, sync::Arc};

use futures::{FutureExt, StreamExt, stream};
use kube::{
    Resource,
    runtime::{
        Controller,
        controller::{Action, Error},
        reflector::{ObjectRef, Store},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc::UnboundedSender, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    context::Context,
    index::StoreKey,
    object_queue::ObjectQueue,
    observed::observed,
    queues::Queued,
    secure_parameter,
    set_aside::Subject,
    store::{object::StoreObject, reconcile},
    triggers,
};
use crate::{api::SecureParameter, kubernetes::cached::Watched, telemetry::metrics::labels::Wait};

/// Reconciles `SecureParameter`s until `stop` is cancelled and the reconciles in progress have ended. Sends each store
/// whose number of subscribers changed to `subscriber_changes`.
pub(crate) async fn run_objects(
    watched: Watched<SecureParameter>,
    queue: ObjectQueue,
    subscriber_changes: UnboundedSender<StoreKey>,
    context: &Arc<Context>,
    stop: &CancellationToken,
) {
    // Before the caches are complete, existing stores and namespaces would seem missing.
    tokio::select! {
        biased;
        () = stop.cancelled() => return,
        () = context.caches_ready.cancelled() => {}
    }
    let (trigger_context, cache) = (context.clone(), watched.store);
    // Objects go through the queue, so that they leave it when there is room.
    let changed = watched.changes.flat_map(move |change| {
        triggers::on_object(&change, &trigger_context, &subscriber_changes);
        for object in triggers::to_reconcile(&change) {
            trigger_context.queues.add_object(ObjectRef::from_obj(&*object));
        }
        stream::empty()
    });
    let metrics = context.metrics.clone();
    let controller = Controller::for_shared_stream(changed, cache.clone())
        .reconcile_on(queue.objects(move |waited| metrics.object_waited(Wait::Queue, waited)))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(secure_parameter::reconcile, retry, context.clone())
        .for_each(|result| {
            match result {
                Ok((object, _)) => queue.ended(object.namespace.as_deref(), &object.name),
                Err(Error::ObjectNotFound(object) | Error::ReconcilerFailed(_, object)) => {
                    queue.ended(object.namespace.as_deref(), &object.name);
                }
                // None of an object.
                Err(Error::QueueError(_) | Error::RunnerError(_)) => {}
            }
            future::ready(())
        });
    run_until_stopped(controller, &cache, stop).await;
}

/// Reconciles stores of one kind until `stop` is cancelled and the reconciles in progress have ended.
pub(crate) async fn run_stores<K>(
    watched: Watched<K>,
    queue: Queued<K>,
    key: fn(&K) -> StoreKey,
    context: &Arc<Context>,
    stop: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
    for<'a> StoreObject: From<&'a K>,
{
    let trigger_context = context.clone();
    let changed = watched.changes.flat_map(move |change| {
        triggers::on_store(&change, &trigger_context, key);
        stream::iter(triggers::to_reconcile(&change))
    });
    let reconcile = move |store: Arc<K>, context: Arc<Context>| async move {
        if let Err(wait) = context.store_pace.admit(&key(&store), Instant::now()) {
            return Ok(Action::requeue(wait));
        }
        let subject = Subject::new(key(&store).kind.as_str(), store.meta());
        let pipeline = async { reconcile::reconcile(&StoreObject::from(&*store), &context).await };
        let report = async |fault| reconcile::fail(&StoreObject::from(&*store), &context, fault).await;
        observed(&context, &subject, Box::pin(pipeline), report).await
    };
    let controller = Controller::for_shared_stream(changed, watched.store.clone())
        .reconcile_on(queue)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, retry, context.clone())
        .for_each(finished);
    run_until_stopped(controller, &watched.store, stop).await;
}

/// Runs a controller until it ends after `stop`. A controller whose cache was never filled is dropped instead: it has no
/// reconcile in progress, and it would wait for its cache forever, since the watch ends with `stop`.
async fn run_until_stopped<K>(controller: impl Future<Output = ()>, cache: &Store<K>, stop: &CancellationToken)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let stopped_before_start = async {
        stop.cancelled().await;
        if cache.wait_until_ready().now_or_never().is_some() {
            future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = controller => {}
        () = stopped_before_start => {}
    }
}

/// Drops the result of a reconcile: what failed was reported, and [`retry`] has queued it again. An object that was queued
/// but is not in the cache is reconciled when it appears there.
fn finished<T>(_: T) -> future::Ready<()> {
    future::ready(())
}

/// Retries an object whose status could not be written, the only error that a reconcile returns.
#[expect(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn retry<K: Resource<DynamicType = ()>>(object: Arc<K>, _: &kube::Error, context: Arc<Context>) -> Action {
    let meta = object.meta();
    let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref().unwrap_or_default());
    Action::requeue(context.status_retries.delay(&K::kind(&()), namespace, name))
}
