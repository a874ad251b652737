//! Clients of the API server.

mod connections;
mod fence;
mod leader_stream;
mod repeat;
mod streams;

use std::{path::PathBuf, time::Duration};

use http_body_util::BodyExt;
use hyper::Response;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{BoxError, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer};

use connections::{Answer, Exchange, exchange, tcp, within};
use leader_stream::leader_streams;

use crate::leadership::Leadership;

/// Longest time until an answer is complete. Without it, a request that the API server forgets would hang forever.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Most concurrent requests. A cold start is no faster with 32, because the API server writes one object after the other.
const CONCURRENT_REQUESTS: usize = 12;

/// Clients for requests and for watches. They share their connections.
#[derive(Clone)]
pub struct Clients {
    /// For requests: times out after 30 seconds and does not retry, since reconciles are retried as a whole.
    pub requests: Client,
    /// For watches: has no timeout, since a watch stays open. The watcher has an idle timeout of its own.
    pub watches: Client,
    /// The right to write, without which requests that write are refused.
    pub(crate) leadership: Leadership,
}

/// Creates clients from `KUBECONFIG`, the default kubeconfig or the pod's service account.
///
/// # Errors
/// One sentence, if there is no configuration or it is not valid.
pub async fn connect() -> Result<Clients, String> {
    connect_to(&ClusterChoice::default()).await
}

/// Creates clients for the cluster that a user names.
///
/// # Errors
/// One sentence, if there is no configuration or it is not valid.
pub(crate) async fn connect_to(choice: &ClusterChoice) -> Result<Clients, String> {
    let config = configuration(choice).await?;
    let leadership = Leadership::default();
    let tcp = leader_streams(tcp(), &leadership);
    let exchange = exchange(&config, tcp, &leadership).map_err(|error| {
        format!("The Kubernetes configuration is not valid ({error}); correct the kubeconfig that is in use.")
    })?;
    let namespace = config.default_namespace;
    let requests = bounded(exchange.clone(), &namespace);
    Ok(Clients { requests, watches: Client::new(exchange, namespace), leadership })
}

/// Which cluster is meant, as kubectl's flags say it. Where they say nothing, it is found as [`connect`] does.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterChoice {
    /// Path of the kubeconfig.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Name of the context in it.
    pub(crate) context: Option<String>,
}

async fn configuration(choice: &ClusterChoice) -> Result<Config, String> {
    let ClusterChoice { kubeconfig, context } = choice;
    let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
    let loaded = match kubeconfig {
        Some(path) => match Kubeconfig::read_from(path) {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
            Err(error) => Err(error),
        },
        None if context.is_some() => Config::from_kubeconfig(&options).await,
        None => {
            return Config::infer().await.map_err(|error| {
                format!("No access to Kubernetes is configured ({error}); set KUBECONFIG or run within a cluster.")
            });
        }
    };
    loaded.map_err(|error| {
        format!("The kubeconfig cannot be used ({error}); correct --kubeconfig or --context, see kubectl config get-contexts.")
    })
}

/// A client that reads answers in whole, in a time, and not too many at once.
fn bounded(exchange: Exchange, namespace: &str) -> Client {
    let timed = exchange.and_then(whole).map_future(|answer| within(REQUEST_TIMEOUT, answer));
    let service = ServiceBuilder::new().layer(GlobalConcurrencyLimitLayer::new(CONCURRENT_REQUESTS)).service(timed);
    Client::new(service, namespace)
}

/// Reads an answer to its end. A timeout of the service that this is part of covers it then.
async fn whole(answer: Response<Answer>) -> Result<Response<Body>, BoxError> {
    let (parts, body) = answer.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes().into()))
}
