//! The queues of the three kinds: what wakes an object, and how its reconciles end.

use std::{future, hash::Hash, sync::Arc, time::Duration};

use futures::{FutureExt, Stream, StreamExt, stream::BoxStream};
use kube::{
    Resource,
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt,
        controller::{Action, Config},
        predicates,
        reflector::{ObjectRef, Store},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::controller::{
    context::{Context, Wake},
    index::StoreKey,
    secure_parameter,
    store::reconcile::{self, StoreView},
    triggers,
};
use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter},
    kubernetes::Watched,
};

/// How soon a reconcile is tried again whose status could not be written.
const STATUS_RETRY: Duration = Duration::from_secs(5);

/// The receiving ends of [`Wake`].
pub(crate) struct Woken {
    pub(crate) objects: UnboundedReceiver<ObjectRef<SecureParameter>>,
    pub(crate) cluster_stores: UnboundedReceiver<ObjectRef<ClusterParameterStore>>,
    pub(crate) stores: UnboundedReceiver<ObjectRef<ParameterStore>>,
}

pub(crate) fn wake() -> (Wake, Woken) {
    let (objects, woken_objects) = unbounded_channel();
    let (cluster_stores, woken_cluster_stores) = unbounded_channel();
    let (stores, woken_stores) = unbounded_channel();
    let woken = Woken { objects: woken_objects, cluster_stores: woken_cluster_stores, stores: woken_stores };
    (Wake { objects, cluster_stores, stores }, woken)
}

pub(crate) async fn run_objects(
    watched: Watched<SecureParameter>,
    woken: UnboundedReceiver<ObjectRef<SecureParameter>>,
    counts: UnboundedSender<StoreKey>,
    concurrency: u16,
    context: &Arc<Context>,
    stop: &CancellationToken,
) {
    // Objects are judged by what the caches hold: begun too early, existing stores would seem missing.
    tokio::select! {
        biased;
        () = stop.cancelled() => return,
        () = context.filled.cancelled() => {}
    }
    let (seen, store) = (context.clone(), watched.store);
    let events = watched.events.inspect(move |event| triggers::on_object(event, &seen, &counts)).boxed();
    // Spec and annotations are what users change; our own status writes are no reason to look again.
    let changes = changed(events, predicates::generation.combine(predicates::annotations));
    let reconcile = |object: Arc<SecureParameter>, context: Arc<Context>| async move {
        let started = Instant::now();
        let reconciled = secure_parameter::reconcile(object, &context).await?;
        context.metrics.reconciled(reconciled.reason, started.elapsed());
        Ok(reconciled.action)
    };
    let policy = |object: Arc<SecureParameter>, error: &kube::Error, context: Arc<Context>| {
        retry(&*object, error);
        Action::requeue(context.states.status_retry(&object))
    };
    let controller = Controller::for_stream(changes, store.clone())
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(receive(woken))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, policy, context.clone())
        .for_each(|_| future::ready(()));
    to_its_end(controller, &store, stop).await;
}

pub(crate) async fn run_stores<K>(
    watched: Watched<K>,
    woken: UnboundedReceiver<ObjectRef<K>>,
    key: fn(&K) -> StoreKey,
    context: &Arc<Context>,
    stop: &CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
    for<'a> StoreView: From<&'a K>,
{
    let seen = context.clone();
    let events = watched.events.inspect(move |event| triggers::on_store(event, &seen, key)).boxed();
    let reconcile = |store: Arc<K>, context: Arc<Context>| {
        let view = StoreView::from(&store);
        async move { reconcile::reconcile(view, &context).await }
    };
    let policy = |store: Arc<K>, error: &kube::Error, _: Arc<Context>| retry(&*store, error);
    let controller = Controller::for_stream(changed(events, predicates::generation), watched.store.clone())
        .reconcile_on(receive(woken))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, policy, context.clone())
        .for_each(|_| future::ready(()));
    to_its_end(controller, &watched.store, stop).await;
}

/// Runs a controller until `stop` and what it is at is finished. One whose cache was never filled is dropped: it has
/// reconciled nothing, and would wait for the cache for ever, since its watch ends with `stop`.
async fn to_its_end<K>(controller: impl Future<Output = ()>, store: &Store<K>, stop: &CancellationToken)
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let stopped_before_it_began = async {
        stop.cancelled().await;
        if store.wait_until_ready().now_or_never().is_some() {
            future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = controller => {}
        () = stopped_before_it_began => {}
    }
}

/// The objects that were created or changed in what the predicate looks at.
fn changed<K>(
    events: BoxStream<'static, Event<K>>,
    predicate: impl Predicate<K> + Send + 'static,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Send + 'static,
    K::DynamicType: Eq + Hash,
{
    let objects = events.filter_map(|event| {
        future::ready(match event {
            Event::Apply(object) | Event::InitApply(object) => Some(Ok(object)),
            Event::Delete(_) | Event::Init | Event::InitDone => None,
        })
    });
    objects.predicate_filter(predicate, PredicateConfig::default())
}

fn receive<T: Send + 'static>(mut receiver: UnboundedReceiver<T>) -> impl Stream<Item = T> + Send + 'static {
    futures::stream::poll_fn(move |context| receiver.poll_recv(context))
}

fn retry<K: Resource<DynamicType = ()>>(object: &K, error: &kube::Error) -> Action {
    let (kind, meta) = (K::kind(&()), object.meta());
    let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
    tracing::warn!(namespace, name, %error, "the status of a {kind} could not be written; the operator tries again");
    Action::requeue(STATUS_RETRY)
}
