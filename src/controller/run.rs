//! Runs the operator: starts watches, controllers and the HTTP server, and ends them together.

use std::{io, pin::pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    caches::Caches,
    comparisons,
    context::Context,
    controllers::{run_objects, run_stores},
    environment,
    index::{Index, StoreKey},
    namespace_slots::NamespaceSlots,
    queues::{QueueReceivers, Queues},
    secret_locks::SecretLocks,
    secure_parameter::{state::ObjectStates, subscriptions::Subscriptions},
    status_retries::StatusRetries,
    store::{connections::StoreConnections, readers::Readers, written_status::WrittenStatuses},
    triggers,
};
use crate::{
    aws::client::Aws,
    domain::access::namespace_usage::{NamespaceLimits, NamespaceUsage},
    kubernetes::{
        Clients,
        events::Events,
        finalizer::Finalizers,
        foreign_secrets::ForeignSecrets,
        rollout::Rollouts,
        secrets::read::Secrets,
        status::Statuses,
        watches::{WATCHES, WatchObserver, Watches},
    },
    parameters::{Quotas, Subscriber},
    telemetry::{audit_stream::AuditStream, health::Health, metrics::Metrics, server::serve},
};

/// How long reconciles in progress may take after the stop. Together with [`LAST_CALLS`] this is less than the 30
/// seconds that Kubernetes gives a pod by default.
const FINISH: Duration = Duration::from_secs(8);

/// How long AWS calls in flight may take after that. Longer than one attempt, so that each call is recorded.
const LAST_CALLS: Duration = Duration::from_secs(6);

/// Interval at which unused readers are closed.
const EVICTION: Duration = Duration::from_secs(60);

/// How the operator runs.
pub struct Settings {
    /// Serves `/healthz`, `/readyz` and `/metrics`.
    pub listener: TcpListener,
    /// Most `SecureParameter`s of one namespace that are reconciled concurrently.
    pub concurrency: u16,
    /// The most that each namespace may use.
    pub limits: NamespaceLimits,
    /// Name of this process in Events.
    pub instance: String,
}

/// Runs until `stop` is cancelled. Then ends within fourteen seconds: reconciles in progress are finished, and AWS calls
/// in flight are recorded.
///
/// # Errors
/// If the HTTP server fails.
pub async fn run(clients: Clients, settings: Settings, stop: CancellationToken) -> io::Result<()> {
    let Settings { listener, concurrency, limits, instance } = settings;
    let health = Arc::new(Health::new(&[WATCHES, &[environment::GATE]].concat()));
    let metrics = Arc::new(Metrics::default());
    let observer: Arc<dyn WatchObserver> = Arc::new(Observer { health: health.clone(), metrics: metrics.clone() });
    let watches = Watches::new(&clients.watches, &observer);
    let (context, receivers) =
        context(clients, (instance, concurrency, limits), &watches, (health, metrics), observer).await;
    let (listen, region) = (listener.local_addr()?, context.aws.region());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), region, %listen, "started");
    let work = Box::pin(start(listener, watches, receivers, context.clone(), stop.clone()));
    finish(work, &context, &stop).await
}

/// The sending ends of the channels of a [`Context`].
struct Senders {
    queues: Queues,
    foreign_secrets: ForeignSecrets,
    changed_parameters: UnboundedSender<Subscriber>,
}

/// The receiving ends of these channels.
struct Receivers {
    queues: QueueReceivers,
    foreign_secrets: UnboundedReceiver<(String, String)>,
    changed_parameters: UnboundedReceiver<Subscriber>,
}

async fn context(
    clients: Clients,
    (instance, concurrency, limits): (String, u16, NamespaceLimits),
    watches: &Watches,
    (health, metrics): (Arc<Health>, Arc<Metrics>),
    observer: Arc<dyn WatchObserver>,
) -> (Arc<Context>, Receivers) {
    let audit_sink = Arc::new(AuditStream::new(metrics.clone()));
    let (Senders { queues, foreign_secrets, changed_parameters }, receivers) = channels(&clients, observer);
    let usage = Arc::new(Mutex::new(NamespaceUsage::new(limits)));
    let context = Context {
        caches_ready: CancellationToken::new(),
        aws: Aws::from_environment(audit_sink.clone()).await,
        audit_sink,
        health,
        metrics,
        secrets: Secrets::new(clients.requests.clone()),
        finalizers: Finalizers::new(clients.requests.clone()),
        rollouts: Rollouts::new(clients.requests.clone()),
        statuses: Statuses::new(clients.requests.clone()),
        events: Events::new(clients.requests, instance),
        foreign_secrets,
        caches: Caches::of(watches),
        index: Mutex::new(Index::default()),
        object_states: ObjectStates::default(),
        subscriptions: Subscriptions::new(Arc::clone(&usage)),
        usage,
        slots: NamespaceSlots::new(concurrency),
        started: Instant::now(),
        store_connections: StoreConnections::default(),
        readers: Readers::default(),
        changed_parameters,
        quotas: Quotas::default(),
        secret_locks: SecretLocks::default(),
        queues,
        store_statuses: WrittenStatuses::default(),
        status_retries: StatusRetries::default(),
    };
    (Arc::new(context), receivers)
}

fn channels(clients: &Clients, observer: Arc<dyn WatchObserver>) -> (Senders, Receivers) {
    let (queues, queue_receivers) = Queues::new();
    let (foreign_secrets, foreign_receiver) = ForeignSecrets::new(clients.watches.clone(), observer);
    let (changed_parameters, parameter_receiver) = unbounded_channel();
    let senders = Senders { queues, foreign_secrets, changed_parameters };
    let receivers = Receivers {
        queues: queue_receivers,
        foreign_secrets: foreign_receiver,
        changed_parameters: parameter_receiver,
    };
    (senders, receivers)
}

/// Runs everything until `stop`, and then until each reconcile in progress has ended.
async fn start(
    listener: TcpListener,
    watches: Watches,
    receivers: Receivers,
    context: Arc<Context>,
    stop: CancellationToken,
) -> io::Result<()> {
    let (subscriber_changes, subscriber_changes_receiver) = unbounded_channel();
    // Aborted when the set is dropped. None of these tasks has work to finish.
    let mut background = JoinSet::new();
    background.spawn(triggers::on_secrets(watches.secrets, context.clone()));
    background.spawn(triggers::on_namespaces(watches.namespaces, context.clone()));
    background.spawn(triggers::on_foreign_secrets(receivers.foreign_secrets, context.clone()));
    background.spawn(triggers::on_parameters(receivers.changed_parameters, context.clone()));
    background.spawn(triggers::on_subscriber_changes(subscriber_changes_receiver, context.clone()));
    background.spawn(comparisons::run(context.clone()));
    background.spawn(environment::check(context.clone()));
    background.spawn(evict_readers(context.clone()));
    let QueueReceivers { objects, cluster_stores, stores } = receivers.queues;
    let objects = run_objects(watches.secure_parameters, objects, subscriber_changes, &context, &stop);
    let cluster_stores = run_stores(watches.cluster_stores, cluster_stores, StoreKey::cluster, &context, &stop);
    let stores = run_stores(watches.stores, stores, StoreKey::namespaced, &context, &stop);
    // One future, so that all are polled when one is woken: of several that wait for a cache, kube wakes only one.
    let controllers = async { tokio::join!(announce_caches(&context), objects, cluster_stores, stores) };
    let (health, metrics) = (context.health.clone(), context.metrics.clone());
    let server = serve(listener, health, metrics, update_gauges(&context), stop.clone().cancelled_owned());
    tokio::join!(controllers, server).1
}

/// Waits for `work`, but after `stop` not for long: reads may wait much longer for AWS or for the rate limit, and the
/// next start repeats what was not finished. In any case waits for the AWS calls in flight.
async fn finish(
    mut work: impl Future<Output = io::Result<()>> + Unpin,
    context: &Context,
    stop: &CancellationToken,
) -> io::Result<()> {
    let finished = tokio::select! {
        result = &mut work => Some(result),
        () = async { stop.cancelled().await; sleep(FINISH).await } => None,
    };
    let mut last_calls = pin!(timeout(LAST_CALLS, context.quotas.close()));
    if let Some(result) = finished {
        let _ = last_calls.await;
        return result;
    }
    tracing::warn!("stopped before all reconciles had finished; the next start repeats them");
    // `work` runs on, since it records the calls.
    let result = tokio::select! {
        result = work => result,
        _ = &mut last_calls => return Ok(()),
    };
    let _ = last_calls.await;
    result
}

/// Returns a function that updates the gauges, which are computed only when they are requested.
fn update_gauges(context: &Arc<Context>) -> impl Fn(&Metrics) + Clone + Send + Sync + 'static {
    let context = context.clone();
    move |metrics| {
        metrics.objects(&context.object_states.count_by_reason());
        metrics.limits_reached(&context.usage.lock().reached());
        let (parameters, paths) = context.subscriptions.watched();
        metrics.watched(parameters, paths);
        for (account, region, limits) in context.quotas.all() {
            metrics.quota(&account, &region, limits.parameters.limit(), limits.parameters.rate());
        }
    }
}

async fn announce_caches(context: &Context) {
    if context.caches.wait_until_ready().await {
        context.caches_ready.cancel();
    }
}

async fn evict_readers(context: Arc<Context>) {
    loop {
        sleep(EVICTION).await;
        context.readers.evict();
    }
}

/// Turns the state of the watches into readiness, metrics and logs.
struct Observer {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl WatchObserver for Observer {
    fn listed(&self, watch: &'static str) {
        self.health.open(watch);
    }

    fn failed(&self, watch: &'static str, message: &str) {
        self.metrics.watch_error(watch);
        // Logged once for each message, since a watch may fail every few seconds.
        if self.health.warn(watch, message) {
            tracing::warn!(watch, "{message}");
        }
    }
}
