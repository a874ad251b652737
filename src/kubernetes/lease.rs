//! Reads, writes and watches one Lease, with a client of its own: neither a slow write nor a lost connection of the
//! reconciles delays a renewal.

use std::time::Duration;

use futures::{Stream, StreamExt, future};
use k8s_openapi::{
    api::coordination::v1::{Lease as KubeLease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Config, Error,
    api::PostParams,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::time::timeout;

use crate::{
    api::names::LEASE_LABEL,
    domain::{
        lease::record::{Lease, Record},
        shard::part::Part,
    },
};

/// Which Lease.
#[derive(Clone, Debug)]
pub struct LeaseName {
    /// Namespace; `None` for that of the pod or of the kubeconfig.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// What the operator watches, which the Lease says to others.
    pub part: Part,
}

/// Why a request for a Lease failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Somebody else has written, created or deleted it in the meantime.
    #[error("the Lease has changed in the meantime")]
    Conflict,
    /// The API server forbids it.
    #[error("the API server forbids it: {0}")]
    Forbidden(String),
    /// Any other failure.
    #[error("{0}")]
    Failed(String),
}

/// A Lease in the API server.
pub(crate) struct Leases {
    api: Api<KubeLease>,
    namespace: String,
    name: String,
    part: Part,
    patience: Duration,
}

impl Leases {
    /// Connects to the API server as the kubeconfig or the pod's service account says, with a connection that belongs to the
    /// runtime of the caller. A request that takes longer than `patience` has failed.
    ///
    /// # Errors
    /// One sentence, if there is no configuration or it is not valid.
    pub(crate) async fn connect(lease: LeaseName, patience: Duration) -> Result<Self, String> {
        let not_valid = |error: String| format!("The Kubernetes configuration is not valid ({error}); correct it.");
        let mut config = Config::infer().await.map_err(|error| not_valid(error.to_string()))?;
        config.connect_timeout = Some(patience);
        config.default_retry = false;
        let namespace = lease.namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| not_valid(error.to_string()))?;
        Ok(Self { api: Api::namespaced(client, &namespace), namespace, name: lease.name, part: lease.part, patience })
    }

    /// Returns namespace and name.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Reads the Lease. `None` if it does not exist.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub(crate) async fn get(&self) -> Result<Option<Lease>, LeaseError> {
        Ok(self.answer(self.api.get_opt(&self.name)).await?.map(read))
    }

    /// Creates the Lease.
    ///
    /// # Errors
    /// `Conflict` if it exists; see [`LeaseError`].
    pub(crate) async fn create(&self, record: &Record) -> Result<Lease, LeaseError> {
        let lease = self.kube_lease(None, record);
        self.answer(self.api.create(&PostParams::default(), &lease)).await.map(read)
    }

    /// Replaces the Lease, if it still has this version.
    ///
    /// # Errors
    /// `Conflict` if it has another one or does not exist; see [`LeaseError`].
    pub(crate) async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let lease = self.kube_lease(Some(&lease.version), &lease.record);
        self.answer(self.api.replace(&self.name, &PostParams::default(), &lease)).await.map(read)
    }

    /// Watches the Lease: yields it whenever it changes, or `None` if it was deleted. Errors are left out, since whoever
    /// watches also looks now and then.
    pub(crate) fn changes(&self) -> impl Stream<Item = Option<Lease>> + Send + use<> {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        watcher(self.api.clone(), config).default_backoff().filter_map(|event| {
            future::ready(match event {
                Ok(Event::Apply(lease) | Event::InitApply(lease)) => Some(Some(read(lease))),
                Ok(Event::Delete(_)) => Some(None),
                Ok(Event::Init | Event::InitDone) | Err(_) => None,
            })
        })
    }

    async fn answer<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, LeaseError> {
        let answer = timeout(self.patience, request).await.map_err(|_| self.late())?;
        answer.map_err(|error| match error {
            Error::Api(status) if matches!(status.code, 404 | 409) && !is_about_namespace(&status.message) => {
                LeaseError::Conflict
            }
            Error::Api(status) if status.code == 403 => LeaseError::Forbidden(status.message),
            error => LeaseError::Failed(error.to_string()),
        })
    }

    fn late(&self) -> LeaseError {
        LeaseError::Failed(format!("no answer of the API server within {} ms", self.patience.as_millis()))
    }

    fn kube_lease(&self, version: Option<&str>, record: &Record) -> KubeLease {
        let seconds = i32::try_from(record.duration.as_secs()).unwrap_or(i32::MAX);
        KubeLease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                resource_version: version.map(str::to_owned),
                labels: Some([(LEASE_LABEL.to_owned(), "true".to_owned())].into()),
                annotations: Some(self.part.annotations()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                // Empty after a release, as client-go writes it.
                holder_identity: Some(record.holder.clone().unwrap_or_default()),
                lease_duration_seconds: Some(seconds),
                acquire_time: record.acquired_at.map(MicroTime),
                renew_time: record.renewed_at.map(MicroTime),
                lease_transitions: Some(record.transitions),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// A namespace that does not exist is no conflict: nobody else can have written there.
fn is_about_namespace(message: &str) -> bool {
    message.starts_with("namespaces ")
}

pub(super) fn read(lease: KubeLease) -> Lease {
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let record = Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(seconds.unwrap_or_default()),
        acquired_at: spec.acquire_time.map(|time| time.0),
        renewed_at: spec.renew_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or_default(),
    };
    Lease { version: lease.metadata.resource_version.unwrap_or_default(), record }
}
