//! Connections to the API server.

use std::time::Duration;

use kube::{Client, Config, client::ClientBuilder};
use tower::limit::GlobalConcurrencyLimitLayer;

/// Longest wait for the answer to a request. Without it a black-holed request would hang for ever.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Most requests at a time. Each has a connection of its own, and a cold start is not faster with 32 than with these: the
/// API server writes one after another.
const REQUESTS: usize = 12;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Clients for the two ways of talking to the API server.
#[derive(Clone)]
pub struct Clients {
    /// For requests: answers are due within half a minute, and retries are the controller's business.
    pub requests: Client,
    /// For watches, which stay open: kept alive by the watcher's own idle timeout.
    pub watches: Client,
}

/// Connects as `KUBECONFIG`, the default kubeconfig or the pod's service account say.
///
/// # Errors
/// One sentence: no configuration, or one that cannot be used.
pub async fn connect() -> Result<Clients, String> {
    let mut config = Config::infer().await.map_err(|error| {
        format!("No access to Kubernetes is configured ({error}); set KUBECONFIG or run within a cluster.")
    })?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.default_retry = false;
    let unusable = |error| format!("The Kubernetes configuration cannot be used: {error}.");
    let watches = Client::try_from(config.clone()).map_err(unusable)?;
    config.read_timeout = Some(READ_TIMEOUT);
    // Else the time that a pooled connection sat idle counts against the next answer.
    config.reset_reader_on_write = true;
    let requests = ClientBuilder::try_from(config).map_err(unusable)?;
    let requests = requests.with_layer(&GlobalConcurrencyLimitLayer::new(REQUESTS)).build();
    Ok(Clients { requests, watches })
}
