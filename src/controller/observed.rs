//! Wraps every reconcile: measures, counts and logs it, whatever its result is, and keeps its panics from others.

use std::time::Duration;

use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::Instrument;

use crate::controller::{
    context::{Context, new_id},
    isolated::isolated,
    set_aside::Subject,
};
use crate::{
    domain::Fault,
    telemetry::{metrics::labels::STATUS_WRITE_FAILED, object_span::object_span},
};

pub(crate) use crate::controller::isolated::Reconciled;

/// Runs a reconcile of one object, and returns when to reconcile it again. Metrics count it by kind and reason, and log
/// lines within name the object and the reconcile. If it panics, `report` writes the fault to the status of the object,
/// which is then left alone until it changes.
///
/// # Errors
/// If the status could not be written. The object is then retried with exponential backoff.
pub(crate) async fn observed<R>(
    context: &Context,
    subject: &Subject,
    reconcile: impl Future<Output = Result<Reconciled, kube::Error>>,
    report: impl FnOnce(Fault) -> R,
) -> Result<Action, kube::Error>
where
    R: Future<Output = Result<Reconciled, kube::Error>>,
{
    let _in_progress = context.metrics.begin_reconcile(subject.kind);
    let attempt = Attempt { started_at: Instant::now(), ended: false };
    let result = isolated(&context.set_aside, &context.metrics, subject, reconcile, report);
    let Subject { kind, namespace, name, .. } = subject;
    let span = object_span(kind, namespace.as_deref(), name, &new_id());
    async {
        let result = result.await;
        conclude(context, subject, attempt.end(), result)
    }
    .instrument(span)
    .await
}

fn conclude(
    context: &Context,
    subject: &Subject,
    duration: Duration,
    result: Result<Option<Reconciled>, kube::Error>,
) -> Result<Action, kube::Error> {
    let Subject { kind, name, .. } = subject;
    let namespace = subject.namespace.as_deref();
    match result {
        Ok(None) => Ok(Action::await_change()),
        Ok(Some(Reconciled { reason, action })) => {
            context.metrics.reconciled(kind, Some(reason), duration);
            context.status_retries.forget(kind, namespace, name);
            tracing::debug!(reason = reason.as_str(), ?duration, "reconciled");
            Ok(action)
        }
        // Not written because the process ends or has lost the Lease, which was logged once.
        Err(error) if context.leadership.check().is_err() => Err(error),
        Err(error) => {
            context.metrics.reconciled(kind, None, duration);
            context.status_retries.failed(kind, namespace, name);
            let reason = STATUS_WRITE_FAILED;
            tracing::warn!(reason, %error, "the status of a {kind} could not be written; the operator retries");
            Err(error)
        }
    }
}

/// Logs that somebody else keeps changing the status of the object that is being reconciled.
pub(crate) fn log_contest(kind: &str) {
    tracing::warn!(
        reason = "StatusContested",
        "somebody else keeps changing the status of a {kind}, and the operator corrects it less and less often; check \
         whether a second operator runs"
    );
}

/// A reconcile that is in progress. Logs it if it is dropped before its end, as happens when the process stops.
struct Attempt {
    started_at: Instant,
    ended: bool,
}

impl Attempt {
    fn end(mut self) -> Duration {
        self.ended = true;
        self.started_at.elapsed()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            tracing::debug!(reason = "Abandoned", "abandoned a reconcile");
        }
    }
}
