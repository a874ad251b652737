//! The end of the process: after the stop, and when something ended that should have run on.

use std::{future, io, pin::pin, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::controller::election::handle::ElectionHandle;
use crate::{background::Alarm, parameters::Quotas};

/// How long reconciles in progress may take after the stop. Another operator waits for the Lease meanwhile, and what is
/// not finished it does again; so nobody waits for AWS.
const FINISH: Duration = Duration::from_millis(600);

/// How long AWS calls in flight may take after that. Longer than one attempt, so that each call is recorded.
const LAST_CALLS: Duration = Duration::from_secs(6);

/// Why the operator ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A thread or a stream could not be made.
    #[error("A thread could not be started: {0}; give the operator more threads, descriptors or memory.")]
    Start(#[from] io::Error),
    /// The HTTP server failed.
    #[error("The HTTP server failed: {0}.")]
    Server(io::Error),
    /// A task ended that should have run on.
    #[error("The task that {0} ended unexpectedly; the operator stops so that Kubernetes restarts it.")]
    TaskEnded(&'static str),
    /// Another process may lead now.
    #[error(
        "The operator does not hold its Lease any more; it stops so that Kubernetes restarts it as one that stands by."
    )]
    LeaseLost,
}

/// Waits for `work`, but after `stop` not for long, and not at all once the Lease is lost. Then stops writing and hands the
/// Lease over, and in any case waits for the AWS calls in flight.
///
/// # Errors
/// The error of `work`, or that the Lease is lost.
pub(crate) async fn finish(
    mut work: impl Future<Output = Result<(), RunError>> + Unpin,
    quotas: &Quotas,
    mut election: ElectionHandle,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let ended = tokio::select! {
        result = &mut work => Some(result),
        () = election.lost() => {
            stop.cancel();
            Some(Err(RunError::LeaseLost))
        }
        () = async { stop.cancelled().await; sleep(FINISH).await } => {
            tracing::info!("stopped before all reconciles had finished; the next leader repeats them");
            None
        }
    };
    let is_finished = matches!(ended, Some(Ok(()) | Err(RunError::Server(_))));
    let is_lost = matches!(ended, Some(Err(RunError::LeaseLost)));
    let hand_over = async {
        if !is_lost {
            election.hand_over().await;
        }
    };
    let mut last_calls = pin!(async {
        let _ = tokio::join!(timeout(LAST_CALLS, quotas.close()), hand_over);
    });
    if !is_finished {
        // `work` runs on, since it records the calls.
        tokio::select! {
            _ = work => {}
            () = &mut last_calls => return ended.unwrap_or(Ok(())),
        }
    }
    last_calls.await;
    ended.unwrap_or(Ok(()))
}

/// Runs to the end. If `alarm` is raised before `stop`, cancels `stop` and runs to the end all the same.
///
/// # Errors
/// The error of `finish`, or the task that raised the alarm.
pub(crate) async fn run_unless_alarmed(
    finish: impl Future<Output = Result<(), RunError>>,
    alarm: &Alarm,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut finish = pin!(finish);
    let raised = async {
        tokio::select! {
            biased;
            // After the stop, tasks may end.
            () = stop.cancelled() => future::pending().await,
            task = alarm.raised() => task,
        }
    };
    let task = tokio::select! {
        biased;
        result = &mut finish => return result,
        task = raised => task,
    };
    tracing::error!("{}", RunError::TaskEnded(task));
    stop.cancel();
    let _ = finish.await;
    Err(RunError::TaskEnded(task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_stops_the_rest_and_is_named() {
        let (alarm, stop) = (Alarm::default(), CancellationToken::new());
        alarm.raise("follows Secrets");
        let finish = async {
            stop.cancelled().await;
            sleep(FINISH).await;
            Ok(())
        };
        let error = run_unless_alarmed(finish, &alarm, &stop).await.expect_err("the alarm");
        let message =
            "The task that follows Secrets ended unexpectedly; the operator stops so that Kubernetes restarts it.";
        assert_eq!(error.to_string(), message);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_stop_tasks_may_end() {
        let (alarm, stop) = (Alarm::default(), CancellationToken::new());
        stop.cancel();
        alarm.raise("follows Secrets");
        let finish = async {
            sleep(FINISH).await;
            Ok(())
        };
        assert!(run_unless_alarmed(finish, &alarm, &stop).await.is_ok());
    }
}
