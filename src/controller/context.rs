//! What all reconciles share.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::controller::{
    caches::Caches,
    index::Index,
    queues::Queues,
    secret_locks::SecretLocks,
    secure_parameter::state::ObjectStates,
    status_retries::StatusRetries,
    store::{connections::StoreConnections, readers::Readers},
};
use crate::{
    aws::client::Aws,
    domain::audit::AuditSink,
    kubernetes::{
        events::Events, finalizer::Finalizers, foreign_secrets::ForeignSecrets, rollout::Rollouts,
        secrets::read::Secrets, status::Statuses,
    },
    parameters::{Quotas, Subscriber},
    telemetry::{health::Health, metrics::Metrics},
};

/// Shared by all reconciles.
pub(crate) struct Context {
    /// Cancelled when the caches hold complete lists.
    pub(crate) caches_ready: CancellationToken,
    /// AWS, as the environment configures it.
    pub(crate) aws: Aws,
    /// The audit stream.
    pub(crate) audit_sink: Arc<dyn AuditSink>,
    /// Readiness.
    pub(crate) health: Arc<Health>,
    /// Metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// Reads and writes Secrets.
    pub(crate) secrets: Secrets,
    /// Writes finalizers.
    pub(crate) finalizers: Finalizers,
    /// Restarts workloads.
    pub(crate) rollouts: Rollouts,
    /// Writes status.
    pub(crate) statuses: Statuses,
    /// Creates Events.
    pub(crate) events: Events,
    /// Watches Secrets that the operator does not own.
    pub(crate) foreign_secrets: ForeignSecrets,
    /// Caches of the watches.
    pub(crate) caches: Caches,
    /// The `SecureParameter`s by Secret and by store.
    pub(crate) index: Mutex<Index>,
    /// The state of each `SecureParameter` between reconciles.
    pub(crate) object_states: ObjectStates,
    /// The stores: connected, or the fault that prevents it.
    pub(crate) store_connections: StoreConnections,
    /// Readers, shared by stores with the same identity and region.
    pub(crate) readers: Readers,
    /// Receives the subscribers whose parameters changed. Readers send to it.
    pub(crate) changed_parameters: UnboundedSender<Subscriber>,
    /// Quotas of all accounts and regions.
    pub(crate) quotas: Quotas,
    /// One lock for each Secret that is being written.
    pub(crate) secret_locks: SecretLocks,
    /// Queues reconciles.
    pub(crate) queues: Queues,
    /// Counts failed status writes.
    pub(crate) status_retries: StatusRetries,
}

/// Returns a new random id.
pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}
