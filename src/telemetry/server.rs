//! Serves `/healthz`, `/readyz` and `/metrics` over HTTP. This runs in another thread than the reconciles: they do not delay
//! the answers, and no client delays them.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::telemetry::{
    connections::{LimitedListener, Limits},
    health::Health,
    heartbeat::Heartbeat,
    metrics::Metrics,
};

/// Content type of OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long computed gauges are served. Computing them takes locks that the reconciles need.
const GAUGE_LIFETIME: Duration = Duration::from_secs(1);

/// What the pages show.
pub(crate) struct Pages<R> {
    /// For `/healthz`.
    pub(crate) heartbeat: Arc<Heartbeat>,
    /// For `/readyz`.
    pub(crate) health: Arc<Health>,
    /// For `/metrics`.
    pub(crate) metrics: Arc<Metrics>,
    /// Updates the gauges.
    pub(crate) refresh: R,
}

/// Serves until `stop` resolves.
///
/// # Errors
/// If the listener fails.
pub(crate) async fn serve<R: Fn(&Metrics) + Clone + Send + Sync + 'static>(
    listener: std::net::TcpListener,
    limits: Limits,
    pages: Pages<R>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = LimitedListener::new(TcpListener::from_std(listener)?, limits);
    axum::serve(listener, router(pages)).with_graceful_shutdown(stop).await
}

fn router<R: Fn(&Metrics) + Clone + Send + Sync + 'static>(pages: Pages<R>) -> Router {
    let Pages { heartbeat, health, metrics, refresh } = pages;
    let alive = move || async move {
        match heartbeat.overdue() {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(elapsed) => {
                let message = format!(
                    "The thread that reconciles has not run for {} seconds; the operator has to be restarted.\n",
                    elapsed.as_secs()
                );
                (StatusCode::SERVICE_UNAVAILABLE, message)
            }
        }
    };
    let ready = move || async move {
        match health.waiting() {
            waiting if waiting.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
            waiting => (StatusCode::SERVICE_UNAVAILABLE, waiting.join("\n") + "\n"),
        }
    };
    let refreshed_at = Arc::new(Mutex::new(None::<Instant>));
    let metrics = move || async move {
        let is_due = |at: &mut Option<Instant>| {
            let is_due = at.is_none_or(|at| at.elapsed() >= GAUGE_LIFETIME);
            if is_due {
                *at = Some(Instant::now());
            }
            is_due
        };
        if is_due(&mut refreshed_at.lock()) {
            refresh(&metrics);
        }
        ([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.encode()).into_response()
    };
    let router =
        Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).route("/metrics", get(metrics));
    router.layer(map_response(close))
}

/// Ends the connection with the response, since its time is limited and the next request could be cut off.
async fn close(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        io::{Read, Write},
        net::{SocketAddr, TcpStream},
        sync::mpsc,
        thread,
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn serve(limits: Limits, heartbeat: &Arc<Heartbeat>) -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("an option");
        let address = listener.local_addr().expect("an address");
        let (health, metrics) = (Arc::new(Health::default()), Arc::new(Metrics::default()));
        let pages = Pages { heartbeat: heartbeat.clone(), health, metrics, refresh: |_: &Metrics| {} };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        thread::spawn(move || runtime.block_on(super::serve(listener, limits, pages, pending())));
        address
    }

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: operator\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer, and then the end of the connection");
        answer
    }

    fn status(address: SocketAddr, path: &str) -> u16 {
        get(address, path).split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// Waits until the server has ended the connection.
    fn wait_for_end(mut stream: &TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        // An error is an end, too: the client may have sent more than the server read.
        let is_open = stream.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        assert!(!is_open, "the server keeps the connection");
    }

    /// Waits until `/healthz` has this status.
    fn wait_for_health(address: SocketAddr, expected: u16) {
        let began = Instant::now();
        while status(address, "/healthz") != expected {
            assert!(began.elapsed() < PATIENCE, "/healthz never has status {expected}");
            thread::sleep(SHORT);
        }
    }

    /// Starts a thread that beats until it receives from the channel, and then blocks until it receives again.
    fn reconciling_thread(heartbeat: Arc<Heartbeat>) -> mpsc::Sender<()> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            runtime.block_on(async {
                let heart = tokio::spawn(async move { heartbeat.beat().await });
                while receiver.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    tokio::time::sleep(SHORT).await;
                }
                let _ = receiver.recv();
                heart.await
            })
        });
        sender
    }

    #[test]
    fn health_follows_the_thread_that_reconciles() {
        let heartbeat = Arc::new(Heartbeat::new(SHORT, SHORT * 100));
        let address = serve(Limits::default(), &heartbeat);
        let block = reconciling_thread(heartbeat);
        assert_eq!(status(address, "/healthz"), 200);
        block.send(()).expect("it beats");
        wait_for_health(address, 503);
        assert!(
            get(address, "/healthz").contains(" 503 ") && get(address, "/healthz").contains("has not run for 1 sec")
        );
        assert_eq!(status(address, "/metrics"), 200);
        block.send(()).expect("it is blocked");
        wait_for_health(address, 200);
    }

    #[test]
    fn idle_connections_do_not_stop_a_probe() {
        let lifetime = Duration::from_secs(3_600);
        let address = serve(Limits { connections: 8, lifetime }, &Arc::default());
        let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(address).expect("a connection")).collect();
        assert_eq!(status(address, "/healthz"), 200);
        // All but the newest were ended to make room; that of the probe ended by itself.
        idle[..193].iter().for_each(wait_for_end);
        idle[193].set_nonblocking(true).expect("an option");
        let error = (&idle[193]).read(&mut [0]).expect_err("it is open");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn slow_clients_are_cut_off() {
        let address = serve(Limits { connections: 8, lifetime: SHORT }, &Arc::default());
        for request in ["", "GET /metrics HTTP/1.1\r\nX-Slow: ", "GET /healthz HTTP/1.1\r\nContent-Length: 1\r\n"] {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.write_all(request.as_bytes()).expect("a request");
            wait_for_end(&stream);
        }
    }
}
