//! Clients of the API server.

use std::time::Duration;

use kube::{Client, Config, client::ClientBuilder};
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::{kubernetes::fence::FenceLayer, leadership::Leadership};

/// Longest wait for the answer to a request. Without it, a request whose packets are dropped would hang forever.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Most concurrent requests. Each takes a connection. A cold start is no faster with 32, because the API server writes
/// one object after the other.
const CONCURRENT_REQUESTS: usize = 12;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Clients for requests and for watches.
#[derive(Clone)]
pub struct Clients {
    /// For requests: times out after 30 seconds and does not retry, since reconciles are retried as a whole.
    pub requests: Client,
    /// For watches: has no read timeout, since a watch stays open. The watcher has an idle timeout of its own.
    pub watches: Client,
    /// The right to write, without which requests that write are refused.
    pub(crate) leadership: Leadership,
}

/// Creates clients from `KUBECONFIG`, the default kubeconfig or the pod's service account.
///
/// # Errors
/// One sentence, if there is no configuration or it is not valid.
pub async fn connect() -> Result<Clients, String> {
    let mut config = Config::infer().await.map_err(|error| {
        format!("No access to Kubernetes is configured ({error}); set KUBECONFIG or run within a cluster.")
    })?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.default_retry = false;
    let not_valid =
        |error| format!("The Kubernetes configuration is not valid ({error}); correct the kubeconfig that is in use.");
    let watches = Client::try_from(config.clone()).map_err(not_valid)?;
    config.read_timeout = Some(READ_TIMEOUT);
    // Without this, the idle time of a pooled connection counts toward the read timeout of the next request.
    config.reset_reader_on_write = true;
    let requests = ClientBuilder::try_from(config).map_err(not_valid)?;
    let leadership = Leadership::default();
    // The fence is nearest to the connection, and passed after any wait.
    let requests = requests.with_layer(&FenceLayer(leadership.clone()));
    let requests = requests.with_layer(&GlobalConcurrencyLimitLayer::new(CONCURRENT_REQUESTS)).build();
    Ok(Clients { requests, watches, leadership })
}
