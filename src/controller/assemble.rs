//! Builds what all reconciles share.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    active_slots::ActiveSlots,
    caches::Caches,
    context::Context,
    index::Index,
    observer::Waits,
    queues::{QueueReceivers, Queues},
    reconcile_slots::ReconcileSlots,
    secret_locks::SecretLocks,
    secure_parameter::{compiled::CompiledSpecs, state::ObjectStates, subscriptions::Subscriptions},
    set_aside::SetAside,
    shard_watch::ShardWatch,
    status_retries::StatusRetries,
    store::{connections::StoreConnections, gateway::Gateway, pace::Pace, written_status::WrittenStatuses},
};
use crate::{
    aws::client::Aws,
    background::Alarm,
    domain::{
        access::namespace_usage::{NamespaceLimits, NamespaceUsage},
        shard::shards::Shard,
    },
    kubernetes::{
        Clients, events::Events, finalizer::Finalizers, foreign_secrets::ForeignSecrets, rollout::Rollouts,
        secrets::read::Secrets, status::Statuses, watch_stream::WatchObserver, watches::Watches,
    },
    parameters::Subscriber,
    telemetry::{audit_stream::AuditStream, health::Health, metrics::Metrics},
};

/// How objects are reconciled.
#[derive(Clone, Debug)]
pub struct Reconciling {
    /// Most `SecureParameter`s of one namespace that are reconciled concurrently.
    pub concurrency: u16,
    /// The most that each namespace may use.
    pub limits: NamespaceLimits,
    /// The most namespaces that one store may have sessions for.
    pub max_sessions: usize,
    /// Whether the operator enforces the access rules itself. False only in tests.
    pub is_access_checked: bool,
    /// Name of this process in Events.
    pub instance: String,
}

/// What a [`Context`] is built on.
pub(crate) struct Foundation<'a> {
    pub(crate) clients: Clients,
    pub(crate) watches: &'a Watches,
    pub(crate) observer: Arc<dyn WatchObserver>,
    pub(crate) aws: Aws,
    pub(crate) audit_stream: Arc<AuditStream>,
    pub(crate) alarm: Alarm,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) reconciling: Reconciling,
    pub(crate) shard: Shard,
}

/// The receiving ends of the channels of a [`Context`].
pub(crate) struct Receivers {
    pub(crate) queues: QueueReceivers,
    /// Namespace and name of each Secret of others that changed.
    pub(crate) foreign_secrets: UnboundedReceiver<(String, String)>,
    pub(crate) changed_parameters: UnboundedReceiver<Subscriber>,
}

/// Builds what all reconciles share.
pub(crate) fn assemble(foundation: Foundation<'_>) -> (Arc<Context>, Receivers) {
    let Foundation { clients, watches, observer, aws, audit_stream, alarm, health, metrics, reconciling, shard } =
        foundation;
    let Reconciling { concurrency, limits, max_sessions, is_access_checked, instance } = reconciling;
    let (queues, queue_receivers) = Queues::new(concurrency);
    let (foreign_secrets, foreign_receiver) =
        ForeignSecrets::new(clients.watches.clone(), watches.scope.clone(), observer, alarm.clone());
    let (changed_parameters, parameter_receiver) = unbounded_channel();
    let receivers = Receivers {
        queues: queue_receivers,
        foreign_secrets: foreign_receiver,
        changed_parameters: parameter_receiver,
    };
    let usage = Arc::new(Mutex::new(NamespaceUsage::new(limits)));
    let context = Context {
        caches_ready: CancellationToken::new(),
        gateway: Gateway::new(
            &clients,
            (aws, audit_stream.clone(), alarm.clone()),
            max_sessions,
            changed_parameters,
            Some(Arc::new(Waits(metrics.clone()))),
        ),
        alarm,
        audit_sink: audit_stream,
        health,
        metrics,
        secrets: Secrets::new(clients.requests.clone()),
        is_access_checked,
        finalizers: Finalizers::new(clients.requests.clone()),
        rollouts: Rollouts::new(clients.requests.clone()),
        statuses: Statuses::new(clients.requests.clone()),
        events: Events::new(clients.requests, instance),
        leadership: clients.leadership,
        foreign_secrets,
        caches: Caches::of(watches),
        index: Mutex::new(Index::default()),
        object_states: ObjectStates::default(),
        compiled_specs: CompiledSpecs::default(),
        subscriptions: Subscriptions::new(Arc::clone(&usage)),
        usage,
        slots: ReconcileSlots::new(concurrency),
        active_slots: ActiveSlots::default(),
        started: Instant::now(),
        started_at: Timestamp::now(),
        store_connections: StoreConnections::default(),
        store_pace: Pace::default(),
        secret_locks: SecretLocks::default(),
        shards: ShardWatch::new(shard),
        queues,
        set_aside: SetAside::default(),
        store_statuses: WrittenStatuses::default(),
        status_retries: StatusRetries::default(),
    };
    (Arc::new(context), receivers)
}
