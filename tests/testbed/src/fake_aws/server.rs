//! The HTTP server: passes requests to the world, and returns its responses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use tokio::sync::watch;

use super::clock;
use super::connection::{Listener, Peer};
use super::fault::Fault;
use super::service::Call;
use super::sigv4::Signed;
use super::world::{Answer, World};

/// Largest body. AWS accepts far less; this protects the memory from a broken client.
const BODY_LIMIT: usize = 1 << 20;

/// State that the server shares with the handles of tests.
pub(super) struct Shared {
    world: Mutex<World>,
    /// Notified when the faults are cleared, so that hanging calls continue.
    faults_cleared: watch::Sender<()>,
}

impl Shared {
    /// The initial state.
    pub(super) fn new(world: World) -> Self {
        Self { world: Mutex::new(world), faults_cleared: watch::Sender::new(()) }
    }

    /// Locks the world. A poisoned lock is used anyway, because one failed test must not fail others.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes all faults and lets hanging calls continue.
    pub(super) fn clear_faults(&self) {
        self.world().faults.clear();
        self.faults_cleared.send_replace(());
    }
}

/// Serves until the task is aborted.
pub(super) async fn serve(listener: Listener, shared: Arc<Shared>) -> std::io::Result<()> {
    let router = Router::new().fallback(handle).with_state(shared);
    axum::serve(listener, router.into_make_service_with_connect_info::<Peer>()).await
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return bare(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let Some(call) = Call::parse(&parts.headers, &body) else {
        return bare(StatusCode::NOT_FOUND);
    };

    // Subscribed before the fault is taken, so that clearing in between is not missed.
    let mut faults_cleared = shared.faults_cleared.subscribe();
    let (fault, latency) = shared.world().arrive(&call);
    match fault {
        Some(Fault::Hang) => drop(faults_cleared.changed().await),
        Some(Fault::Reset) => {
            peer.reset();
            return bare(StatusCode::OK);
        }
        Some(Fault::Close) => {
            peer.close();
            return bare(StatusCode::OK);
        }
        _ => {}
    }
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let answer = shared.world().answer(&call, signed(&parts, &body), fault);
    into_response(answer)
}

fn signed<'a>(parts: &'a Parts, body: &'a [u8]) -> Signed<'a> {
    Signed {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    }
}

fn into_response(answer: Answer) -> Response<Body> {
    let response = Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("x-amzn-requestid", answer.request_id)
        .header("date", clock::http(answer.now_ms))
        .body(Body::from(answer.body));
    response.unwrap_or_else(|_| bare(StatusCode::INTERNAL_SERVER_ERROR))
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
