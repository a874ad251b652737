//! Runs the operator: starts watches, queues and the HTTP server, and ends them together.

use std::{
    future,
    hash::Hash,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, stream::BoxStream};
use kube::{
    Resource,
    runtime::{
        Controller, Predicate, PredicateConfig, WatchStreamExt,
        controller::{Action, Config},
        predicates,
        reflector::ObjectRef,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    context::{Caches, Context, SecretLocks, Wake},
    environment,
    index::{Index, StoreKey},
    ledger::Ledger,
    readers::Readers,
    secure_parameter,
    sessions::Sessions,
    stores::{self, StoreView},
    triggers,
};
use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter},
    aws::Aws,
    kubernetes::{
        Clients, Events, Finalizers, NamedSecrets, Secrets, Statuses, WATCHES, WatchObserver, Watched, Watches,
        Workloads,
    },
    observe::{AuditLog, Health, Metrics, serve},
    parameters::Quotas,
};

/// How soon a reconcile is tried again whose status could not be written.
const STATUS_RETRY: Duration = Duration::from_secs(5);

/// How long after a stop reconciles under way may take to finish.
const FINISH: Duration = Duration::from_secs(6);

/// How long calls of AWS that are under way then may take: longer than one attempt, so that each has its record.
const LAST_CALLS: Duration = Duration::from_secs(6);

/// How often unused readers are looked for.
const EVICTION: Duration = Duration::from_secs(60);

/// How the operator runs.
pub struct Settings {
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub listener: TcpListener,
    /// Most objects reconciled at a time.
    pub concurrency: u16,
    /// Names this process in Events.
    pub instance: String,
}

/// Runs until `stop` is cancelled; what is under way then is finished first, within twelve seconds.
///
/// # Errors
/// If the HTTP server fails.
pub async fn run(clients: Clients, settings: Settings, stop: CancellationToken) -> std::io::Result<()> {
    let health = Arc::new(Health::new(&[WATCHES, &[environment::GATE]].concat()));
    let metrics = Arc::new(Metrics::default());
    let trail = Arc::new(AuditLog::new(metrics.clone()));
    let aws = Aws::from_environment(trail.clone()).await;
    let listen = settings.listener.local_addr()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), region = aws.region(), %listen, "started");
    let observer: Arc<dyn WatchObserver> = Arc::new(Observer { health: health.clone(), metrics: metrics.clone() });
    let watches = Watches::new(&clients.watches, &observer);
    let (named_secrets, named_changes) = NamedSecrets::new(clients.watches.clone(), observer);
    let (wake, woken) = wake();
    let (changed, changed_parameters) = unbounded_channel();
    let context = Arc::new(Context {
        filled: CancellationToken::new(),
        aws,
        trail,
        health: health.clone(),
        metrics: metrics.clone(),
        secrets: Secrets::new(clients.requests.clone()),
        finalizers: Finalizers::new(clients.requests.clone()),
        workloads: Workloads::new(clients.requests.clone()),
        statuses: Statuses::new(clients.requests.clone()),
        events: Events::new(clients.requests.clone(), settings.instance),
        named_secrets,
        caches: Caches {
            cluster_stores: watches.cluster_stores.store.clone(),
            stores: watches.stores.store.clone(),
            namespaces: watches.namespaces.store.clone(),
            secrets: watches.secrets.store.clone(),
        },
        index: Mutex::new(Index::default()),
        ledger: Ledger::default(),
        sessions: Sessions::default(),
        readers: Readers::default(),
        changed,
        quotas: Quotas::default(),
        secret_locks: SecretLocks::default(),
        wake,
    });
    let mut background = background(&context, watches.secrets, watches.namespaces, named_changes);
    let refresh = {
        let context = context.clone();
        move |metrics: &Metrics| {
            metrics.objects(&context.ledger.by_reason());
            for (account, region, budgets) in context.quotas.places() {
                metrics.quota(&account, &region, budgets.parameters.stated(), budgets.parameters.rate());
            }
        }
    };
    let server = serve(settings.listener, health, metrics, refresh, stop.clone().cancelled_owned());
    let (counts, changed_counts) = unbounded_channel();
    background.spawn(triggers::count_subscribers(changed_counts, context.clone()));
    background.spawn(triggers::on_parameters(changed_parameters, context.clone()));
    background.spawn(evict(context.clone()));
    let objects = {
        let (context, stop) = (context.clone(), stop.clone());
        let seen = context.clone();
        let events = watches.secure_parameters.events.inspect(move |event| triggers::on_object(event, &seen, &counts));
        let store = watches.secure_parameters.store;
        async move {
            // Objects are judged by what these caches hold: begun too early, existing stores would seem missing.
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = context.filled.cancelled() => {
                    let (context, stop) = (context.clone(), stop.clone());
                    run_objects(store, events.boxed(), woken.objects, settings.concurrency, context, stop).await;
                }
            }
        }
    };
    let cluster_stores = run_stores(watches.cluster_stores, woken.cluster_stores, StoreKey::cluster, &context, &stop);
    let stores = run_stores(watches.stores, woken.stores, StoreKey::namespaced, &context, &stop);
    // Of several who wait for a cache kube wakes but one; here they are all looked at whenever one of them is woken.
    let controllers = async { tokio::join!(note_filled(&context), objects, cluster_stores, stores) };
    let work = async { tokio::join!(controllers, server).1 };
    let result = tokio::select! {
        result = work => result,
        () = out_of_patience(&stop) => {
            tracing::warn!("stopped before everything under way was finished; the next start makes up for it");
            Ok(())
        }
    };
    // An attempt ends by itself before that.
    let _ = tokio::time::timeout(LAST_CALLS, context.quotas.close()).await;
    result
}

/// Ends some time after `stop`. Reads may wait for AWS or for the budget much longer; what they are for is found undone
/// at the next start.
async fn out_of_patience(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(FINISH).await;
}

/// Tasks that end with the process; they hold nothing that has to be finished.
fn background(
    context: &Arc<Context>,
    secrets: Watched<crate::kubernetes::SecretMeta>,
    namespaces: Watched<kube::api::PartialObjectMeta<k8s_openapi::api::core::v1::Namespace>>,
    named_changes: UnboundedReceiver<(String, String)>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(triggers::on_secrets(secrets, context.clone()));
    tasks.spawn(triggers::on_namespaces(namespaces, context.clone()));
    tasks.spawn(triggers::on_named_secrets(named_changes, context.clone()));
    tasks.spawn(environment::check(context.clone()));
    tasks
}

/// Says when all caches are filled.
async fn note_filled(context: &Context) {
    if context.caches.filled().await {
        context.filled.cancel();
    }
}

/// Lets go of readers that nobody uses.
async fn evict(context: Arc<Context>) {
    loop {
        tokio::time::sleep(EVICTION).await;
        context.readers.evict();
    }
}

/// The receiving ends of [`Wake`].
struct Woken {
    objects: UnboundedReceiver<ObjectRef<SecureParameter>>,
    cluster_stores: UnboundedReceiver<ObjectRef<ClusterParameterStore>>,
    stores: UnboundedReceiver<ObjectRef<ParameterStore>>,
}

fn wake() -> (Wake, Woken) {
    let (objects, woken_objects) = unbounded_channel();
    let (cluster_stores, woken_cluster_stores) = unbounded_channel();
    let (stores, woken_stores) = unbounded_channel();
    let woken = Woken { objects: woken_objects, cluster_stores: woken_cluster_stores, stores: woken_stores };
    (Wake { objects, cluster_stores, stores }, woken)
}

async fn run_objects(
    store: kube::runtime::reflector::Store<SecureParameter>,
    events: BoxStream<'static, Event<SecureParameter>>,
    woken: UnboundedReceiver<ObjectRef<SecureParameter>>,
    concurrency: u16,
    context: Arc<Context>,
    stop: CancellationToken,
) {
    // Spec and annotations are what users change; our own status writes are no reason to look again.
    let changes = changed(events, predicates::generation.combine(predicates::annotations));
    let policy = |_: Arc<SecureParameter>, error: &kube::Error, _: Arc<Context>| retry("SecureParameter", error);
    let controller = Controller::for_stream(changes, store.clone())
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(receive(woken))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(secure_parameter::reconcile, policy, context)
        .for_each(|_| future::ready(()));
    to_its_end(controller, &store, &stop).await;
}

async fn run_stores<K>(
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
        async move { stores::reconcile(view, &context).await }
    };
    let policy = |_: Arc<K>, error: &kube::Error, _: Arc<Context>| retry("store", error);
    let controller = Controller::for_stream(changed(events, predicates::generation), watched.store.clone())
        .reconcile_on(receive(woken))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, policy, context.clone())
        .for_each(|_| future::ready(()));
    to_its_end(controller, &watched.store, stop).await;
}

/// Runs a controller until `stop` and what it is at is finished. One whose cache was never filled is dropped: it has
/// reconciled nothing, and would wait for the cache for ever, since its watch ends with `stop`.
async fn to_its_end<K>(
    controller: impl Future<Output = ()>,
    store: &kube::runtime::reflector::Store<K>,
    stop: &CancellationToken,
) where
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

fn retry(what: &str, error: &kube::Error) -> Action {
    tracing::warn!(%error, "the status of a {what} could not be written; the operator tries again");
    Action::requeue(STATUS_RETRY)
}

/// Turns what watches report into readiness, metrics and logs.
struct Observer {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl WatchObserver for Observer {
    fn listed(&self, watch: &'static str) {
        self.health.pass(watch);
    }

    fn failed(&self, watch: &'static str, message: &str) {
        self.metrics.watch_error(watch);
        // Once per state: a hopeless watch fails every few seconds.
        if self.health.note(watch, message) {
            tracing::warn!(watch, "{message}");
        }
    }
}
