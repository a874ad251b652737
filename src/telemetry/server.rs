//! Serves `/healthz`, `/readyz` and `/metrics` over HTTP.

use std::{future::Future, io, sync::Arc};

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;

use crate::telemetry::{health::Health, metrics::Metrics};

/// Content type of OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until `stop` resolves. `refresh` updates the gauges before each response of `/metrics`.
///
/// # Errors
/// If the listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    refresh: impl Fn(&Metrics) + Clone + Send + Sync + 'static,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let ready = move || async move {
        match health.waiting() {
            waiting if waiting.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
            waiting => (StatusCode::SERVICE_UNAVAILABLE, waiting.join("\n") + "\n"),
        }
    };
    let metrics = move || async move {
        refresh(&metrics);
        ([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.encode()).into_response()
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
