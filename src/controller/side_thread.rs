//! The thread besides that of the reconciles. It serves the pages and takes part in the election, and is honest about the
//! first: liveness and the renewal of the Lease follow its heartbeat.

use std::{io, net::TcpListener, thread};

use futures::future::join;
use tokio::{runtime::Builder, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    election::{
        candidate::{Candidate, Parts},
        handle::ElectionHandle,
    },
    finish::RunError,
};
use crate::telemetry::{
    connections::Limits,
    metrics::Metrics,
    server::{Pages, serve},
};

/// The result of the server, which is awaited.
pub(crate) struct Server(oneshot::Receiver<io::Result<()>>);

impl Server {
    /// Waits until the server has ended.
    ///
    /// # Errors
    /// The error of the server. One that panicked has failed.
    pub(crate) async fn ended(self) -> Result<(), RunError> {
        let panicked = |_| Err(io::Error::other("it panicked"));
        self.0.await.unwrap_or_else(panicked).map_err(RunError::Server)
    }
}

/// Starts the thread. It serves until `stop`, and takes part in the election until it has lost the Lease or is asked to
/// release it.
///
/// # Errors
/// If the thread cannot be started.
pub(crate) fn start<R: Fn(&Metrics) + Clone + Send + Sync + 'static>(
    listener: TcpListener,
    pages: Pages<R>,
    candidate: Parts,
    stop: &CancellationToken,
) -> io::Result<(Server, ElectionHandle)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (served, ended) = oneshot::channel();
    let (handle, release, end) = ElectionHandle::new(candidate.leadership.clone());
    let stop = stop.clone().cancelled_owned();
    thread::Builder::new().name("http".to_owned()).spawn(move || {
        let pages = async {
            // Fails only when the process ends, as below.
            let _ = served.send(serve(listener, Limits::default(), pages, stop).await);
        };
        let election = async {
            let _ = end.send(Candidate::new(candidate).run(release).await);
        };
        runtime.block_on(join(pages, election));
    })?;
    Ok((Server(ended), handle))
}
