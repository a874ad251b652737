//! Connections to the API server: one for all requests and watches where it offers HTTP/2, else HTTP/1.1.
//!
//! The same as kube's own client, from the same configuration, but for the protocol and for what notices that a
//! connection is dead: packets may be dropped silently, by a firewall or a node that is gone, and a watch that hears
//! nothing would wait for minutes.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    Request, Response, Uri,
    header::HeaderValue,
    rt::{Read, Write},
};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Builder, Client,
        connect::{
            Connection, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Config, Error,
    client::{Body, ConfigExt, RustlsTlsError},
};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, retry::RetryLayer, util::BoxCloneService};

use super::{fence::FenceLayer, repeat::Unprocessed, streams::Streams};
use crate::leadership::Leadership;

pub(super) use super::streams::Answer;

/// Sends requests to the API server. Clones share its connections.
pub(super) type Exchange = BoxCloneService<Request<Body>, Response<Answer>, BoxError>;

/// Longest wait for a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence after which the API server is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(8);
/// Longest wait for its answer. Longer than [`UNACKNOWLEDGED_TIMEOUT`], because a server may be busy.
const PING_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest time that sent bytes may stay without acknowledgement. Afterwards the kernel gives up the connection and
/// sends nothing of it again.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(4);
/// Most unread bytes of one stream. The rest waits in the API server.
const STREAM_WINDOW: u32 = 1 << 20;
/// Most unread bytes of all streams of a connection: the maximum of HTTP/2 (RFC 9113, section 6.9.1), so that watches
/// that nobody reads never hold up others. Memory is bounded by [`STREAM_WINDOW`] and the number of streams.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What opens byte streams.
pub(super) trait Connect:
    Service<
        Uri,
        Response: Connection + Read + Write + Send + Unpin + 'static,
        Error: std::error::Error + Send + Sync,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<C> Connect for C where
    C: Service<
            Uri,
            Response: Connection + Read + Write + Send + Unpin + 'static,
            Error: std::error::Error + Send + Sync,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// Opens TCP connections that notice when the other side is gone.
pub(super) fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Frames are small and complete; waiting for more to fill a packet would only delay them.
    tcp.set_nodelay(true);
    // For HTTP/1.1, which has no pings.
    tcp.set_keepalive(Some(PING_INTERVAL));
    tcp.set_keepalive_interval(Some(UNACKNOWLEDGED_TIMEOUT));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT));
    tcp
}

/// Creates what sends requests to the API server of `config`, with connections of its own. It opens them with `tcp`,
/// through the proxy that `config` may name. Requests that write are sent only while `leadership` stands.
///
/// # Errors
/// If the configuration is not valid.
pub(super) fn exchange(config: &Config, tcp: impl Connect, leadership: &Leadership) -> Result<Exchange, Error> {
    let Some(proxy) = &config.proxy_url else { return through(config, tcp, leadership) };
    match proxy.scheme_str() {
        Some("socks5") => through(config, SocksV5::new(proxy.clone(), tcp), leadership),
        Some("http") => through(config, tunnel(proxy, tcp), leadership),
        Some("https") => through(config, tunnel(proxy, config.rustls_https_connector_with_connector(tcp)?), leadership),
        _ => Err(Error::ProxyProtocolUnsupported { proxy_url: Box::new(proxy.clone()) }),
    }
}

/// A tunnel through an HTTP proxy, with the user and password of its address.
fn tunnel<C>(proxy: &Uri, connect: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.clone(), connect);
    let user = proxy.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let credentials = user.map(|(user, _)| STANDARD.encode(percent_decode_str(user).collect::<Vec<_>>()));
    match credentials.and_then(|credentials| HeaderValue::from_str(&format!("Basic {credentials}")).ok()) {
        Some(header) => tunnel.with_auth(header),
        None => tunnel,
    }
}

/// The layers of kube's client, except that nothing is retried but what the server did not process.
fn through(config: &Config, connect: impl Connect, leadership: &Leadership) -> Result<Exchange, Error> {
    let connect = tls(config, connect)?.map_future(|opening| Box::pin(within(CONNECT_TIMEOUT, opening)));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .layer(RetryLayer::new(Unprocessed::default()))
        // Next to the connection, so that nothing is waited for in between.
        .layer(FenceLayer(leadership.clone()))
        .service(Streams::new(builder(), connect));
    Ok(BoxCloneService::new(service))
}

/// TLS for `https` addresses, offering HTTP/2 and HTTP/1.1.
fn tls<C>(config: &Config, connect: C) -> Result<HttpsConnector<C>, Error> {
    let mut tls = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(RustlsTlsError::InvalidServerName).map_err(Error::RustlsTls)?;
        tls = tls.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(tls.enable_all_versions().wrap_connector(connect))
}

fn builder() -> Builder {
    let mut builder = Client::<(), ()>::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        // Otherwise a connection that carries only watches would count as idle, and the next request open another.
        .pool_idle_timeout(None);
    builder
}

/// Gives up a future after a time.
pub(super) async fn within<T>(
    limit: Duration,
    future: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    timeout(limit, future).await.unwrap_or_else(|_| Err(format!("no answer within {} seconds", limit.as_secs()).into()))
}
