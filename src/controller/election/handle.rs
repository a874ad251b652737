//! What the reconciling thread holds of the candidate, which runs in another thread.

use std::time::Duration;

use tokio::{sync::oneshot, time::timeout};

use crate::leadership::Leadership;

/// How long requests that write may take to be answered before the Lease is released.
const LAST_WRITES: Duration = Duration::from_millis(400);

/// How long the release may take.
const RELEASE: Duration = Duration::from_millis(800);

/// How long ago the answer of a request that writes must have been lost for the Lease to be released all the same. The API
/// server may have carried out the request by then.
const UNANSWERED_FOR: Duration = Duration::from_secs(5);

/// How the part of a candidate in an election ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It led and does not lead any more.
    Lost,
    /// It was asked to end.
    Ended,
}

/// The handle of a candidate. Without it the candidate ends, and leaves the Lease to expire.
pub(crate) struct ElectionHandle {
    leadership: Leadership,
    release: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<End>,
}

impl ElectionHandle {
    /// Returns the handle, and its counterparts for the candidate: what asks it to release the Lease, and where it says how
    /// it ended.
    pub(crate) fn new(leadership: Leadership) -> (Self, oneshot::Receiver<()>, oneshot::Sender<End>) {
        let ((release, asked), (end, ended)) = (oneshot::channel(), oneshot::channel());
        (Self { leadership, release: Some(release), ended }, asked, end)
    }

    /// Waits until the process has lost the Lease. A thread that panicked has lost it too.
    pub(crate) async fn lost(&mut self) {
        match (&mut self.ended).await {
            Ok(End::Lost) | Err(_) => {}
            Ok(End::Ended) => std::future::pending().await,
        }
    }

    /// Stops writing for good, and releases the Lease so that another process can lead at once. If a request that writes is
    /// not answered, it may still be carried out; the Lease is then left to expire.
    pub(crate) async fn hand_over(&mut self) {
        let is_quiet = self.leadership.close(LAST_WRITES, UNANSWERED_FOR).await;
        let Some(release) = self.release.take() else { return };
        if !is_quiet {
            tracing::warn!("leaves the Lease to expire, since the API server has not answered all requests");
            return;
        }
        // Fails only if the candidate has ended.
        if release.send(()).is_ok() && timeout(RELEASE, &mut self.ended).await.is_err() {
            tracing::warn!("leaves the Lease to expire, since the API server does not answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_lease_is_released_once_all_writes_are_answered() {
        let leadership = Leadership::unlimited();
        let (mut handle, asked, end) = ElectionHandle::new(leadership.clone());
        let write = leadership.begin_write().expect("the right");
        let candidate = async {
            write.answered();
            asked.await.expect("asked");
            end.send(End::Ended).expect("somebody waits");
        };
        tokio::join!(handle.hand_over(), candidate);
        assert!(leadership.check().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_an_answer_keeps_the_lease() {
        let leadership = Leadership::unlimited();
        let (mut handle, asked, _end) = ElectionHandle::new(leadership.clone());
        let _write = leadership.begin_write().expect("the right");
        handle.hand_over().await;
        asked.await.expect_err("never asked");
    }
}
