//! The span of the work on one object. Log lines within it name the object.

use tracing::{Span, field::Empty};

/// Returns the span of one reconcile. `id` is a random id. The span is at the highest level, so that no filter takes the
/// names from the lines within.
pub(crate) fn object_span(kind: &str, namespace: Option<&str>, name: &str, id: &str) -> Span {
    tracing::error_span!("reconcile", kind, namespace, name, reconcileID = id, requestID = Empty)
}

/// Has the lines of the present span that follow name an AWS request.
pub(crate) fn log_request(request_id: &str) {
    Span::current().record("requestID", request_id);
}
