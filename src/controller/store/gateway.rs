//! The way from stores to AWS, whoever opens them: the operator, or a command that looks once.

use std::sync::Arc;

use tokio::sync::{OnceCell, mpsc::UnboundedSender};

use crate::controller::store::{fault::StoreFault, readers::Readers};
use crate::{
    aws::client::{ApiKey, Aws, AwsApi},
    background::Alarm,
    domain::audit::AuditSink,
    kubernetes::{Clients, secrets::read::Secrets, service_accounts::ServiceAccounts},
    parameters::{Quotas, Reader, Subscriber, WaitObserver},
};

/// What every store is opened with.
pub(crate) struct Gateway {
    /// AWS, as the environment configures it.
    pub(crate) aws: Aws,
    /// Ends the process if a background task ends.
    pub(crate) alarm: Alarm,
    /// Where AWS calls are recorded.
    pub(crate) audit_sink: Arc<dyn AuditSink>,
    /// Reads the credentials of stores.
    pub(crate) secrets: Secrets,
    /// Reads ServiceAccounts and creates their tokens.
    pub(crate) service_accounts: ServiceAccounts,
    /// Namespace and name of the ServiceAccount that the operator runs as, if it is one.
    pub(crate) own_service_account: OnceCell<Option<(String, String)>>,
    /// The most namespaces that one store may have sessions for.
    pub(crate) max_sessions: usize,
    /// Readers, shared by stores with the same identity and region.
    pub(crate) readers: Readers<ApiKey, Reader<AwsApi>, StoreFault>,
    /// Receives the subscribers whose parameters changed. Readers send to it.
    pub(crate) changed_parameters: UnboundedSender<Subscriber>,
    /// Quotas of all accounts and regions.
    pub(crate) quotas: Quotas,
}

impl Gateway {
    /// Creates one without open readers. `waits` is told how long AWS calls wait for their turn.
    pub(crate) fn new(
        clients: &Clients,
        (aws, audit_sink, alarm): (Aws, Arc<dyn AuditSink>, Alarm),
        max_sessions: usize,
        changed_parameters: UnboundedSender<Subscriber>,
        waits: Option<Arc<dyn WaitObserver>>,
    ) -> Self {
        let quotas = Quotas::new(aws.options().quota_share, waits);
        Self {
            aws,
            alarm,
            audit_sink,
            secrets: Secrets::new(clients.requests.clone()),
            service_accounts: ServiceAccounts::new(clients.requests.clone()),
            own_service_account: OnceCell::new(),
            max_sessions,
            readers: Readers::default(),
            changed_parameters,
            quotas,
        }
    }

    /// Returns the name of the cluster, for names and tags of sessions; empty if it is not known.
    pub(crate) fn cluster(&self) -> &str {
        self.aws.options().cluster_name.as_deref().unwrap_or_default()
    }
}
