//! The identity that calls AWS, as STS reports it.

use crate::domain::{
    audit::{AuditRecord, AuditSink, ObjectRef, Principal},
    aws_error::AwsError,
    schedule::decide::Purpose,
};
use crate::parameters::{
    audit_room::wait_for_room,
    port::{Attempt, ParameterApi},
    random,
};

/// Calls STS `GetCallerIdentity` on behalf of `object`, which also proves that the credentials work.
///
/// # Errors
/// The error of the call.
pub(crate) async fn identify(
    api: &impl ParameterApi,
    audit_sink: &dyn AuditSink,
    object: &ObjectRef,
) -> Result<Principal, AwsError> {
    match attempt(api, audit_sink, object).await {
        // The SDK learns from the refusal how far the local clock is off, and corrects the next signature.
        Err(error) if error.is_clock_skew() => attempt(api, audit_sink, object).await,
        result => result,
    }
}

async fn attempt(
    api: &impl ParameterApi,
    audit_sink: &dyn AuditSink,
    object: &ObjectRef,
) -> Result<Principal, AwsError> {
    wait_for_room(audit_sink).await;
    let Attempt { call, result } = api.get_caller_identity().await;
    let objects = vec![object.with_purpose(Purpose::Identity)];
    audit_sink.record_call(&AuditRecord::new(random::id(), &call, result.as_ref().ok(), Vec::new(), objects));
    result
}
