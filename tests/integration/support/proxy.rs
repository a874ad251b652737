//! A proxy between operator and API server that makes watches expire, as an API server does that has forgotten what
//! happened since a watch was interrupted, and that holds requests back. Everything else passes.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use axum::{
    Router,
    body::{Body, BodyDataStream, Bytes, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use kube::Client;
use serde_json::json;
use testbed::control_plane::ControlPlane;
use tokio::{net::TcpListener, sync::watch};

/// Longest request body, in bytes.
const LONGEST: usize = 4 << 20;

/// What happens to the events of the watches that this proxy can interrupt.
#[derive(Clone, Copy, Debug, Default)]
struct Phase {
    /// They are lost.
    is_interrupted: bool,
    /// How often watches have expired.
    expirations: usize,
    /// Requests with this text in their path are not passed on, and not answered.
    held: Option<&'static str>,
}

/// A running proxy. It ends with the runtime of the test.
pub struct Proxy {
    phase: watch::Sender<Phase>,
    kubeconfig: PathBuf,
}

#[derive(Clone)]
struct Upstream {
    client: Client,
    resources: &'static [&'static str],
    phase: watch::Receiver<Phase>,
}

impl Proxy {
    /// Starts a proxy that can interrupt the watches of these resources.
    pub async fn start(plane: &ControlPlane, resources: &'static [&'static str]) -> Result<Self> {
        Self::of(plane, plane.client().await?, resources).await
    }

    /// Starts a proxy that passes requests on with this token.
    pub async fn with_token(plane: &ControlPlane, token: &str) -> Result<Self> {
        Self::of(plane, plane.client_with_token(token).await?, &[]).await
    }

    async fn of(plane: &ControlPlane, client: Client, resources: &'static [&'static str]) -> Result<Self> {
        let (phase, receiver) = watch::channel(Phase::default());
        let upstream = Upstream { client, resources, phase: receiver };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let server = format!("http://{}", listener.local_addr()?);
        let kubeconfig = plane.folder().join("proxy-kubeconfig");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "users": [{"name": "proxy", "user": {}}],
        });
        std::fs::write(&kubeconfig, config.to_string())?;
        let router = Router::new().fallback(forward).with_state(upstream);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { phase, kubeconfig })
    }

    /// A kubeconfig that leads to this proxy.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From now on the events of the watches are lost.
    pub fn interrupt(&self) {
        self.phase.send_modify(|phase| phase.is_interrupted = true);
    }

    /// From now on requests with this text in their path get no answer.
    pub fn hold(&self, path: &'static str) {
        self.phase.send_modify(|phase| phase.held = Some(path));
    }

    /// Ends the watches with 410 Gone. Those that are opened afterwards work.
    pub fn expire(&self) {
        self.phase.send_modify(|phase| {
            phase.is_interrupted = false;
            phase.expirations += 1;
        });
    }
}

async fn forward(State(upstream): State<Upstream>, request: Request) -> Response {
    answer(upstream, request)
        .await
        .unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}

async fn answer(upstream: Upstream, request: Request) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    upstream.phase.clone().wait_for(|phase| phase.held.is_none_or(|held| !path.contains(held))).await?;
    let is_watch = parts.uri.query().is_some_and(|query| query.contains("watch=true"));
    let is_interruptible = is_watch && upstream.resources.iter().any(|name| parts.uri.path().ends_with(name));
    for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    let body = to_bytes(body, LONGEST).await?;
    let response = upstream.client.send(Request::from_parts(parts, body.to_vec().into())).await?;
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::TRANSFER_ENCODING);
    let body = Body::new(body);
    let body = if is_interruptible { interruptible(body.into_data_stream(), upstream.phase) } else { body };
    Ok(Response::from_parts(parts, body))
}

/// The events of one watch, until it expires.
fn interruptible(events: BodyDataStream, phase: watch::Receiver<Phase>) -> Body {
    let begun = phase.borrow().expirations;
    let chunks = stream::unfold(Some((events, phase)), move |watch| async move {
        let (mut events, mut phase) = watch?;
        loop {
            let Phase { is_interrupted, expirations, .. } = *phase.borrow_and_update();
            if expirations > begun {
                return Some((Ok(gone()), None));
            }
            tokio::select! {
                chunk = events.next() => match chunk {
                    Some(Ok(_)) if is_interrupted => {}
                    chunk => return Some((chunk?, Some((events, phase)))),
                },
                changed = phase.changed() => changed.ok()?,
            }
        }
    });
    Body::from_stream(chunks)
}

/// The event with which an API server ends a watch that it cannot resume.
fn gone() -> Bytes {
    let status = json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "message": "too old resource version: 1 (2)",
        "reason": "Expired",
        "code": 410,
    });
    format!("{}\n", json!({"type": "ERROR", "object": status})).into()
}
