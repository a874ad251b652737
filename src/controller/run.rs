//! Runs the operator: starts watches, controllers and the HTTP server, and ends them together.

use std::{
    fs::File,
    future,
    io::{self, stdout},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    active_slots::ActiveSlots,
    caches::Caches,
    comparisons,
    context::Context,
    controllers::{run_objects, run_stores},
    environment,
    finish::{RunError, finish, run_unless_alarmed},
    index::{Index, StoreKey},
    namespace_slots::NamespaceSlots,
    queues::{QueueReceivers, Queues},
    secret_locks::SecretLocks,
    secure_parameter::{compiled::CompiledSpecs, state::ObjectStates, subscriptions::Subscriptions},
    set_aside::SetAside,
    status_retries::StatusRetries,
    store::{
        connections::StoreConnections, gateway::Gateway, pace::Pace, reconcile::queue_changed_activities,
        written_status::WrittenStatuses,
    },
    triggers,
};
use crate::{
    aws::{client::Aws, options::AwsOptions},
    background::{Alarm, BackgroundTask},
    domain::access::namespace_usage::{NamespaceLimits, NamespaceUsage},
    kubernetes::{
        Clients, Scope,
        events::Events,
        finalizer::Finalizers,
        foreign_secrets::ForeignSecrets,
        rollout::Rollouts,
        secrets::read::Secrets,
        status::Statuses,
        watch_stream::{WatchName, WatchObserver},
        watches::{WATCHES, Watches},
    },
    parameters::Subscriber,
    telemetry::{
        audit_stream::AuditStream,
        connections::Limits,
        health::Health,
        heartbeat::Heartbeat,
        metrics::Metrics,
        server::{self, Pages},
    },
};

/// How long the last audit records may take after everything else has ended.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// Interval at which the statuses of stores are compared with what they do.
const ACTIVITY_INTERVAL: Duration = Duration::from_secs(30);

/// Interval at which what is kept of former stores is removed.
const PRUNING: Duration = Duration::from_secs(60);

/// How the operator runs.
pub struct Settings {
    /// Serves `/healthz`, `/readyz` and `/metrics`.
    pub listener: TcpListener,
    /// The namespaces to work in.
    pub scope: Scope,
    /// Most `SecureParameter`s of one namespace that are reconciled concurrently.
    pub concurrency: u16,
    /// The most that each namespace may use.
    pub limits: NamespaceLimits,
    /// The most namespaces that one store may have sessions for.
    pub max_sessions: usize,
    /// Whether the operator enforces the access rules itself. False only in tests.
    pub is_access_checked: bool,
    /// Most bytes of audit records that wait to be written.
    pub audit_queue: usize,
    /// Name of this process in Events.
    pub instance: String,
    /// How AWS is used.
    pub aws: AwsOptions,
}

/// Runs until `stop` is cancelled. Then ends within sixteen seconds: reconciles in progress are finished, AWS calls in
/// flight are recorded, and the records are written.
///
/// # Errors
/// If the operator could not start, or cannot go on. It then ends in the same way.
pub async fn run(clients: Clients, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let Settings { listener, scope, concurrency, limits, max_sessions, is_access_checked, audit_queue, instance, aws } =
        settings;
    let health = Arc::new(Health::new(&[WATCHES, &[environment::GATE]].concat()));
    let metrics = Arc::new(Metrics::default());
    // Not through the buffer of the standard library, which would keep what could not be written.
    let out = File::from(stdout().as_fd().try_clone_to_owned()?);
    let audit_stream = Arc::new(AuditStream::start(metrics.clone(), audit_queue, out)?);
    let observer: Arc<dyn WatchObserver> = Arc::new(Observer { health: health.clone(), metrics: metrics.clone() });
    let watches = Watches::new(&clients.watches, &scope, &observer);
    let alarm = Alarm::default();
    let aws = Aws::from_environment(aws, audit_stream.clone(), &alarm).await;
    let limits = (instance, concurrency, limits, (max_sessions, is_access_checked));
    let (context, receivers) =
        context(clients, limits, &watches, (aws, audit_stream.clone(), alarm), (health, metrics), observer);
    let (listen, region, cluster) =
        (listener.local_addr()?, context.gateway.aws.region(), context.gateway.aws.options().cluster_name.as_deref());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), region, cluster, %listen, "started");
    let work = Box::pin(start(listener, watches, receivers, context.clone(), stop.clone()));
    let result = run_unless_alarmed(finish(work, &context.gateway.quotas, &stop), &context.alarm, &stop).await;
    match audit_stream.flush(LAST_RECORDS) {
        0 => {}
        count => tracing::warn!(count, "stopped before all audit records were written, since nobody takes them"),
    }
    result
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

fn context(
    clients: Clients,
    (instance, concurrency, limits, (max_sessions, is_access_checked)): (String, u16, NamespaceLimits, (usize, bool)),
    watches: &Watches,
    (aws, audit_sink, alarm): (Aws, Arc<AuditStream>, Alarm),
    (health, metrics): (Arc<Health>, Arc<Metrics>),
    observer: Arc<dyn WatchObserver>,
) -> (Arc<Context>, Receivers) {
    let (Senders { queues, foreign_secrets, changed_parameters }, receivers) =
        channels(&clients, &watches.scope, observer, &alarm);
    let usage = Arc::new(Mutex::new(NamespaceUsage::new(limits)));
    let context = Context {
        caches_ready: CancellationToken::new(),
        gateway: Gateway::new(&clients, (aws, audit_sink.clone(), alarm.clone()), max_sessions, changed_parameters),
        alarm,
        audit_sink,
        health,
        metrics,
        secrets: Secrets::new(clients.requests.clone()),
        is_access_checked,
        finalizers: Finalizers::new(clients.requests.clone()),
        rollouts: Rollouts::new(clients.requests.clone()),
        statuses: Statuses::new(clients.requests.clone()),
        events: Events::new(clients.requests, instance),
        foreign_secrets,
        caches: Caches::of(watches),
        index: Mutex::new(Index::default()),
        object_states: ObjectStates::default(),
        compiled_specs: CompiledSpecs::default(),
        subscriptions: Subscriptions::new(Arc::clone(&usage)),
        usage,
        slots: NamespaceSlots::new(concurrency),
        active_slots: ActiveSlots::default(),
        started: Instant::now(),
        started_at: Timestamp::now(),
        store_connections: StoreConnections::default(),
        store_pace: Pace::default(),
        secret_locks: SecretLocks::default(),
        queues,
        set_aside: SetAside::default(),
        store_statuses: WrittenStatuses::default(),
        status_retries: StatusRetries::default(),
    };
    (Arc::new(context), receivers)
}

fn channels(clients: &Clients, scope: &Scope, observer: Arc<dyn WatchObserver>, alarm: &Alarm) -> (Senders, Receivers) {
    let (queues, queue_receivers) = Queues::new();
    let (foreign_secrets, foreign_receiver) =
        ForeignSecrets::new(clients.watches.clone(), scope.clone(), observer, alarm.clone());
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
) -> Result<(), RunError> {
    let heartbeat = Arc::new(Heartbeat::default());
    let server = serve(listener, heartbeat.clone(), &context, &stop)?;
    let (subscriber_changes, subscriber_changes_receiver) = unbounded_channel();
    let shared = || context.clone();
    // Aborted when they are dropped. None of these tasks has work to finish.
    let background = |name, task: BoxFuture<'static, ()>| BackgroundTask::spawn(name, &context.alarm, task);
    let _background = [
        background("shows that the operator runs", async move { heartbeat.beat().await }.boxed()),
        background("follows Secrets", triggers::on_secrets(watches.secrets, shared()).boxed()),
        background("follows namespaces", triggers::on_namespaces(watches.namespaces, shared()).boxed()),
        background(
            "follows the Secrets of others",
            triggers::on_foreign_secrets(receivers.foreign_secrets, shared()).boxed(),
        ),
        background("follows parameters", triggers::on_parameters(receivers.changed_parameters, shared()).boxed()),
        background(
            "counts the objects of stores",
            triggers::on_subscriber_changes(subscriber_changes_receiver, shared()).boxed(),
        ),
        background("compares all objects now and then", comparisons::run(shared()).boxed()),
        background("checks region and credentials", environment::check(shared()).then(|()| future::pending()).boxed()),
        background("forgets what nobody uses", prune(shared()).boxed()),
        background("reports what stores do", report_activities(shared()).boxed()),
    ];
    let QueueReceivers { objects, cluster_stores, stores } = receivers.queues;
    let objects = run_objects(watches.secure_parameters, objects, subscriber_changes, &context, &stop);
    let cluster_stores = run_stores(watches.cluster_stores, cluster_stores, StoreKey::cluster, &context, &stop);
    let stores = run_stores(watches.stores, stores, StoreKey::namespaced, &context, &stop);
    // One future, so that all are polled when one is woken: of several that wait for a cache, kube wakes only one.
    let controllers = async {
        tokio::join!(
            announce_caches(&context),
            until_stopped("reconciles SecureParameters", objects, &context, &stop),
            until_stopped("reconciles ClusterParameterStores", cluster_stores, &context, &stop),
            until_stopped("reconciles ParameterStores", stores, &context, &stop),
        )
    };
    // A server that failed ends the process at once, and not only at the stop.
    tokio::try_join!(controllers.map(Ok), server).map(drop)
}

/// Serves the pages in a thread of its own. The future yields its end.
fn serve(
    listener: TcpListener,
    heartbeat: Arc<Heartbeat>,
    context: &Arc<Context>,
    stop: &CancellationToken,
) -> Result<impl Future<Output = Result<(), RunError>> + use<>, RunError> {
    let (health, metrics) = (context.health.clone(), context.metrics.clone());
    let pages = Pages { heartbeat, health, metrics, refresh: update_gauges(context) };
    let stop = stop.clone().cancelled_owned();
    let ended = server::start(listener.into_std()?, Limits::default(), pages, stop)?;
    Ok(async move {
        let panicked = |_| Err(io::Error::other("it panicked"));
        ended.await.unwrap_or_else(panicked).map_err(RunError::Server)
    })
}

/// Runs a controller. Raises the alarm if it ends before `stop`.
async fn until_stopped(
    name: &'static str,
    controller: impl Future<Output = ()>,
    context: &Context,
    stop: &CancellationToken,
) {
    controller.await;
    if !stop.is_cancelled() {
        context.alarm.raise(name);
    }
}

/// Returns a function that updates the gauges, which are computed only when they are requested.
fn update_gauges(context: &Arc<Context>) -> impl Fn(&Metrics) + Clone + Send + Sync + 'static {
    let context = context.clone();
    move |metrics| {
        metrics.objects(&context.object_states.count_by_reason());
        metrics.limits_reached(&context.usage.lock().reached());
        let (parameters, paths) = context.subscriptions.watched();
        metrics.watched(parameters, paths);
        for (account, region, limits) in context.gateway.quotas.all() {
            metrics.quota(&account, &region, limits.parameters.limit(), limits.parameters.rate());
        }
    }
}

async fn announce_caches(context: &Context) {
    if context.caches.wait_until_ready().await {
        context.caches_ready.cancel();
    }
}

/// Keeps the statuses of stores up to date with what they do.
async fn report_activities(context: Arc<Context>) {
    loop {
        sleep(ACTIVITY_INTERVAL).await;
        queue_changed_activities(&context);
    }
}

async fn prune(context: Arc<Context>) {
    loop {
        sleep(PRUNING).await;
        context.gateway.readers.prune();
        context.gateway.quotas.prune();
        context.store_pace.prune(Instant::now());
    }
}

/// Turns the state of the watches into readiness, metrics and logs.
struct Observer {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl WatchObserver for Observer {
    fn listed(&self, watch: &WatchName) {
        self.health.open(&watch.to_string());
    }

    fn failed(&self, watch: &WatchName, message: &str) {
        self.metrics.watch_error(watch.resource);
        // Logged once for each message, since a watch may fail every few seconds.
        if self.health.warn(&watch.to_string(), message) {
            tracing::warn!(watch = watch.resource, namespace = watch.namespace.as_deref(), "{message}");
        }
        if watch.namespace.is_some() {
            // What readiness waits for are all watches of a resource together.
            self.health.warn(watch.resource, message);
        }
    }

    fn forgone(&self, watch: &WatchName, message: &str) {
        // Not the gate of the watch, which opens without a list.
        if self.health.warn(&format!("without {watch}"), message) {
            tracing::info!(watch = watch.resource, "{message}");
        }
    }
}
