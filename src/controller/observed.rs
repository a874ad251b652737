//! Wraps every reconcile: measures, counts and logs it, whatever its result is.

use std::time::Duration;

use kube::runtime::controller::Action;
use tokio::time::Instant;

use crate::{api::Reason, controller::context::Context};

/// The result of a reconcile whose status was written, or needed no write.
#[derive(Debug)]
pub(crate) struct Reconciled {
    /// The reason that its conditions show.
    pub(crate) reason: Reason,
    /// When to reconcile again.
    pub(crate) action: Action,
}

/// Runs a reconcile of one object, and returns when to reconcile it again. Metrics count it by `kind` and reason.
///
/// # Errors
/// If the status could not be written. The object is then retried with exponential backoff.
pub(crate) async fn observed(
    context: &Context,
    kind: &'static str,
    namespace: Option<&str>,
    name: &str,
    reconcile: impl Future<Output = Result<Reconciled, kube::Error>>,
) -> Result<Action, kube::Error> {
    let attempt = Attempt { kind, namespace, name, started_at: Instant::now(), ended: false };
    let result = reconcile.await;
    let duration = attempt.end();
    match result {
        Ok(Reconciled { reason, action }) => {
            context.metrics.reconciled(kind, Some(reason), duration);
            context.status_retries.forget(kind, namespace, name);
            tracing::debug!(kind, namespace, name, reason = reason.as_str(), ?duration, "reconciled");
            Ok(action)
        }
        Err(error) => {
            context.metrics.reconciled(kind, None, duration);
            context.status_retries.failed(kind, namespace, name);
            tracing::warn!(namespace, name, %error, "the status of a {kind} could not be written; the operator retries");
            Err(error)
        }
    }
}

/// Logs that somebody else keeps changing a status.
pub(crate) fn log_contest(kind: &str, namespace: Option<&str>, name: &str) {
    tracing::warn!(
        namespace,
        name,
        "somebody else keeps changing the status of a {kind}, and the operator corrects it less and less often; check \
         whether a second operator runs"
    );
}

/// A reconcile that is in progress. Logs it if it is dropped before its end, as happens when the process stops.
struct Attempt<'a> {
    kind: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
    started_at: Instant,
    ended: bool,
}

impl Attempt<'_> {
    fn end(mut self) -> Duration {
        self.ended = true;
        self.started_at.elapsed()
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let Self { kind, namespace, name, .. } = self;
            tracing::debug!(kind, namespace, name, "abandoned a reconcile");
        }
    }
}
