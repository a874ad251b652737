//! What all reconciles share.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::controller::{
    active_slots::ActiveSlots,
    caches::Caches,
    index::{Index, StoreKey},
    queues::Queues,
    reconcile_slots::ReconcileSlots,
    secret_locks::SecretLocks,
    secure_parameter::{compiled::CompiledSpecs, state::ObjectStates, subscriptions::Subscriptions},
    set_aside::SetAside,
    shard_watch::ShardWatch,
    status_retries::StatusRetries,
    store::{connections::StoreConnections, gateway::Gateway, pace::Pace, written_status::WrittenStatuses},
};
use crate::{
    background::Alarm,
    domain::{
        Fault,
        access::namespace_usage::{NamespaceLimit, NamespaceUsage},
        audit::AuditSink,
    },
    kubernetes::{
        events::Events, finalizer::Finalizers, foreign_secrets::ForeignSecrets, rollout::Rollouts,
        secrets::read::Secrets, status::Statuses,
    },
    leadership::Leadership,
    telemetry::{health::Health, metrics::Metrics},
};

/// Shared by all reconciles.
pub(crate) struct Context {
    /// Cancelled when the caches hold complete lists.
    pub(crate) caches_ready: CancellationToken,
    /// Ends the process if a background task ends.
    pub(crate) alarm: Alarm,
    /// What stores are opened with.
    pub(crate) gateway: Gateway,
    /// The audit stream.
    pub(crate) audit_sink: Arc<dyn AuditSink>,
    /// Readiness.
    pub(crate) health: Arc<Health>,
    /// Metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// Reads and writes Secrets.
    pub(crate) secrets: Secrets,
    /// Whether the operator enforces the access rules itself. False only in tests.
    pub(crate) is_access_checked: bool,
    /// Writes finalizers.
    pub(crate) finalizers: Finalizers,
    /// Restarts workloads.
    pub(crate) rollouts: Rollouts,
    /// Writes status.
    pub(crate) statuses: Statuses,
    /// Creates Events.
    pub(crate) events: Events,
    /// The right to write and to call AWS.
    pub(crate) leadership: Leadership,
    /// Watches Secrets that the operator does not own.
    pub(crate) foreign_secrets: ForeignSecrets,
    /// Caches of the watches.
    pub(crate) caches: Caches,
    /// The `SecureParameter`s by Secret and by store.
    pub(crate) index: Mutex<Index>,
    /// The state of each `SecureParameter` between reconciles.
    pub(crate) object_states: ObjectStates,
    /// What of the specs is compiled.
    pub(crate) compiled_specs: CompiledSpecs,
    /// The reader that watches the parameters of each `SecureParameter`.
    pub(crate) subscriptions: Subscriptions,
    /// What each namespace uses in total.
    pub(crate) usage: Arc<Mutex<NamespaceUsage>>,
    /// How many objects are reconciled concurrently.
    pub(crate) slots: ReconcileSlots,
    /// How many of them are at work.
    pub(crate) active_slots: ActiveSlots,
    /// When the operator started.
    pub(crate) started: Instant,
    /// The same by the clock on the wall.
    pub(crate) started_at: Timestamp,
    /// The stores: connected, or the fault that prevents it.
    pub(crate) store_connections: StoreConnections,
    /// How often stores are reconciled.
    pub(crate) store_pace: Pace,
    /// One lock for each Secret that is being written.
    pub(crate) secret_locks: SecretLocks,
    /// The other operators, and what they handle.
    pub(crate) shards: ShardWatch,
    /// Queues reconciles.
    pub(crate) queues: Queues,
    /// What is not reconciled until it changes, because its reconcile panicked.
    pub(crate) set_aside: SetAside,
    /// The statuses of stores as last written.
    pub(crate) store_statuses: WrittenStatuses,
    /// Counts failed status writes.
    pub(crate) status_retries: StatusRetries,
}

impl Context {
    /// Returns the time since the operator started.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Queues the objects of a namespace that read from a store.
    pub(crate) fn queue_readers(&self, store: &StoreKey, namespace: &str) {
        let subscribers = self.index.lock().subscribers(store);
        let readers = subscribers.into_iter().filter(|object| object.namespace.as_deref() == Some(namespace));
        readers.for_each(|object| self.queues.add_object(object));
    }

    /// Watches this Secret, which the operator does not own, for an object or a store of a namespace, and no other; or
    /// none.
    ///
    /// # Errors
    /// `NamespaceLimitReached` if the namespace refers to too many. Then none is watched.
    pub(crate) fn follow_secret(&self, namespace: &str, uid: &str, secret: Option<(&str, &str)>) -> Result<(), Fault> {
        let claimed = self.usage.lock().claim(namespace, uid, NamespaceLimit::ForeignSecrets, secret.iter());
        self.foreign_secrets.follow(uid, secret.filter(|_| claimed.is_ok()));
        claimed
    }

    /// Watches nothing for an object any more, and forgets what is remembered of it.
    pub(crate) fn forget_object(&self, namespace: &str, uid: &str) {
        self.object_states.remove(uid);
        self.compiled_specs.remove(uid);
        self.subscriptions.end(namespace, uid);
        // Whoever follows nothing is never refused.
        let _ = self.follow_secret(namespace, uid, None);
    }

    /// Returns the time by the clock on the wall, to the second. It is the same at each call, so that a status which shows
    /// it does not change.
    pub(crate) fn time_at(&self, instant: Instant) -> Timestamp {
        let seconds = i64::try_from(self.uptime_at(instant).as_secs()).unwrap_or(i64::MAX);
        let time = self.started_at.as_second().saturating_add(seconds);
        Timestamp::from_second(time).unwrap_or(self.started_at)
    }

    /// Returns the same for an instant; zero for one before the start.
    pub(crate) fn uptime_at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.started)
    }
}

/// Returns a new random id.
pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}
