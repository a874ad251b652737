//! Runs the operator: starts watches, queues and the HTTP server, and ends them together.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::mpsc::unbounded_channel,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    context::{Caches, Context, SecretLocks},
    environment,
    index::{Index, StoreKey},
    queues::{run_objects, run_stores, wake},
    secure_parameter::state::ObjectStates,
    store::{connections::Sessions, readers::Readers},
    triggers,
};
use crate::{
    aws::Aws,
    kubernetes::{
        Clients, Events, Finalizers, ForeignSecrets, Rollouts, Secrets, Statuses, WATCHES, WatchObserver, Watches,
    },
    parameters::Quotas,
    telemetry::{AuditStream, Health, Metrics, serve},
};

/// How long after a stop reconciles under way may take to finish.
const FINISH: Duration = Duration::from_secs(8);

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

/// Runs until `stop` is cancelled; what is under way then is finished first, within fourteen seconds.
///
/// # Errors
/// If the HTTP server fails.
pub async fn run(clients: Clients, settings: Settings, stop: CancellationToken) -> std::io::Result<()> {
    let health = Arc::new(Health::new(&[WATCHES, &[environment::GATE]].concat()));
    let metrics = Arc::new(Metrics::default());
    let audit_sink = Arc::new(AuditStream::new(metrics.clone()));
    let aws = Aws::from_environment(audit_sink.clone()).await;
    let listen = settings.listener.local_addr()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), region = aws.region(), %listen, "started");
    let observer: Arc<dyn WatchObserver> = Arc::new(Observer { health: health.clone(), metrics: metrics.clone() });
    let watches = Watches::new(&clients.watches, &observer);
    let (named_secrets, named_changes) = ForeignSecrets::new(clients.watches.clone(), observer);
    let ((wake, woken), (changed, changed_parameters)) = (wake(), unbounded_channel());
    let context = Arc::new(Context {
        filled: CancellationToken::new(),
        aws,
        audit_sink,
        health: health.clone(),
        metrics: metrics.clone(),
        secrets: Secrets::new(clients.requests.clone()),
        finalizers: Finalizers::new(clients.requests.clone()),
        workloads: Rollouts::new(clients.requests.clone()),
        statuses: Statuses::new(clients.requests.clone()),
        events: Events::new(clients.requests, settings.instance),
        named_secrets,
        caches: Caches::of(&watches),
        index: Mutex::new(Index::default()),
        ledger: ObjectStates::default(),
        sessions: Sessions::default(),
        readers: Readers::default(),
        changed,
        quotas: Quotas::default(),
        secret_locks: SecretLocks::default(),
        wake,
    });
    let (counts, changed_counts) = unbounded_channel();
    // Tasks that end with the process; they hold nothing that has to be finished.
    let mut background = JoinSet::new();
    background.spawn(triggers::on_secrets(watches.secrets, context.clone()));
    background.spawn(triggers::on_namespaces(watches.namespaces, context.clone()));
    background.spawn(triggers::on_named_secrets(named_changes, context.clone()));
    background.spawn(triggers::on_parameters(changed_parameters, context.clone()));
    background.spawn(triggers::count_subscribers(changed_counts, context.clone()));
    background.spawn(environment::check(context.clone()));
    background.spawn(evict(context.clone()));
    let server = serve(settings.listener, health, metrics, refresh(&context), stop.clone().cancelled_owned());
    let objects = run_objects(watches.secure_parameters, woken.objects, counts, settings.concurrency, &context, &stop);
    let cluster_stores = run_stores(watches.cluster_stores, woken.cluster_stores, StoreKey::cluster, &context, &stop);
    let stores = run_stores(watches.stores, woken.stores, StoreKey::namespaced, &context, &stop);
    // Of several who wait for a cache kube wakes but one; here they are all looked at whenever one of them is woken.
    let controllers = async { tokio::join!(note_filled(&context), objects, cluster_stores, stores) };
    let mut work = pin!(async { tokio::join!(controllers, server).1 });
    let done = tokio::select! {
        result = &mut work => Some(result),
        () = out_of_patience(&stop) => None,
    };
    // An attempt ends by itself before that.
    let mut last_calls = pin!(timeout(LAST_CALLS, context.quotas.close()));
    let result = if let Some(result) = done {
        result
    } else {
        tracing::warn!("stopped before everything under way was finished; the next start makes up for it");
        // Whoever made a call records it.
        tokio::select! {
            result = work => result,
            _ = &mut last_calls => return Ok(()),
        }
    };
    let _ = last_calls.await;
    result
}
/// Ends some time after `stop`. Reads may wait for AWS or for the budget much longer; what they are for is found undone
/// at the next start.
async fn out_of_patience(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(FINISH).await;
}

/// Brings those metrics up to date that are looked up when somebody asks.
fn refresh(context: &Arc<Context>) -> impl Fn(&Metrics) + Clone + Send + Sync + 'static {
    let context = context.clone();
    move |metrics| {
        metrics.objects(&context.ledger.by_reason());
        for (account, region, budgets) in context.quotas.all() {
            metrics.quota(&account, &region, budgets.parameters.limit(), budgets.parameters.rate());
        }
    }
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
        sleep(EVICTION).await;
        context.readers.evict();
    }
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
