//! What every reconcile works with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    api::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::{
    sync::{OwnedMutexGuard, mpsc::UnboundedSender},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::controller::{
    index::{Index, StoreKey},
    locked,
    secure_parameter::{state::ObjectStates, subscriptions::Subscriptions},
    store::{connections::Sessions, readers::Readers},
};
use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter},
    aws::Aws,
    domain::{access::namespace, audit::AuditSink},
    kubernetes::{Events, Finalizers, ForeignSecrets, Rollouts, SecretMeta, Secrets, Statuses, Watches},
    parameters::{Quotas, Subscriber},
    telemetry::{Health, Metrics},
};

/// Shared by all reconciles.
pub struct Context {
    /// Cancelled once the caches hold complete lists.
    pub filled: CancellationToken,
    /// AWS as the environment describes it.
    pub aws: Aws,
    /// The audit stream.
    pub audit_sink: Arc<dyn AuditSink>,
    /// Readiness.
    pub health: Arc<Health>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Secrets.
    pub secrets: Secrets,
    /// Finalizers of objects.
    pub finalizers: Finalizers,
    /// Workloads that are restarted.
    pub workloads: Rollouts,
    /// Status.
    pub statuses: Statuses,
    /// Events.
    pub events: Events,
    /// Watches of Secrets that others own.
    pub named_secrets: ForeignSecrets,
    /// Caches of the watches.
    pub caches: Caches,
    /// Objects by what they want.
    pub index: Mutex<Index>,
    /// What is remembered of each object.
    pub states: ObjectStates,
    /// Which reader watches the parameters of which object.
    pub subscriptions: Subscriptions,
    /// When the operator started.
    pub started: Instant,
    /// Open stores.
    pub sessions: Sessions,
    /// Readers, shared by stores of one identity and region.
    pub readers: Readers,
    /// Told by readers whose parameters changed.
    pub changed: UnboundedSender<Subscriber>,
    /// Quotas of all accounts and regions.
    pub quotas: Quotas,
    /// Writers of one Secret take turns.
    pub secret_locks: SecretLocks,
    /// Wakes objects and stores.
    pub wake: Wake,
}

/// Caches that the watches fill.
#[derive(Clone)]
pub struct Caches {
    /// Cluster stores.
    pub cluster_stores: Store<ClusterParameterStore>,
    /// Namespaced stores.
    pub stores: Store<ParameterStore>,
    /// Metadata of namespaces.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// Metadata of our Secrets.
    pub secrets: Store<SecretMeta>,
}

impl Context {
    /// Time since the operator started.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The same for an instant; zero for one before the start.
    pub(crate) fn uptime_at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.started)
    }
}

impl Caches {
    /// Those of these watches.
    pub fn of(watches: &Watches) -> Self {
        Self {
            cluster_stores: watches.cluster_stores.store.clone(),
            stores: watches.stores.store.clone(),
            namespaces: watches.namespaces.store.clone(),
            secrets: watches.secrets.store.clone(),
        }
    }

    /// Waits until each holds a complete list. False if one of them never will, because the process ends. See
    /// [`Context::filled`], since kube wakes only one of several who wait for this.
    pub async fn filled(&self) -> bool {
        let filled = tokio::join!(
            self.cluster_stores.wait_until_ready(),
            self.stores.wait_until_ready(),
            self.namespaces.wait_until_ready(),
            self.secrets.wait_until_ready(),
        );
        matches!(filled, (Ok(()), Ok(()), Ok(()), Ok(())))
    }

    /// A namespace as policies see it; `None` if it is gone or going.
    pub fn namespace(&self, name: &str) -> Option<namespace::Namespace> {
        let namespace = self.namespaces.get(&ObjectRef::new(name))?;
        namespace.metadata.deletion_timestamp.is_none().then(|| namespace::Namespace {
            name: name.to_owned(),
            labels: namespace.metadata.labels.clone().unwrap_or_default(),
        })
    }
}

/// Ways to have something looked at.
#[derive(Clone)]
pub struct Wake {
    /// Objects.
    pub objects: UnboundedSender<ObjectRef<SecureParameter>>,
    /// Cluster stores.
    pub cluster_stores: UnboundedSender<ObjectRef<ClusterParameterStore>>,
    /// Namespaced stores.
    pub stores: UnboundedSender<ObjectRef<ParameterStore>>,
}

impl Wake {
    /// Has an object looked at.
    pub fn object(&self, object: ObjectRef<SecureParameter>) {
        // The receiver goes only when the process ends.
        let _ = self.objects.send(object);
    }

    /// Has a store looked at.
    pub fn store(&self, store: StoreKey) {
        match store.namespace {
            None => drop(self.cluster_stores.send(ObjectRef::new(&store.name))),
            Some(namespace) => drop(self.stores.send(ObjectRef::new(&store.name).within(&namespace))),
        }
    }
}

type SecretLock = Arc<tokio::sync::Mutex<()>>;

/// One lock a Secret, from the verdict to the write. Two objects of ours write under one field manager, so the API
/// server would not tell them apart.
#[derive(Debug, Default)]
pub struct SecretLocks {
    locks: Mutex<HashMap<(String, String), SecretLock>>,
}

impl SecretLocks {
    /// Waits for the turn at a Secret.
    pub async fn lock(&self, namespace: &str, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = locked(&self.locks);
            // Whatever nobody holds or waits for is dropped, so that the map does not grow with every name ever seen.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry((namespace.to_owned(), name.to_owned())).or_default().clone()
        };
        lock.lock_owned().await
    }
}

/// A new random id.
pub fn new_id() -> String {
    Uuid::new_v4().to_string()
}
