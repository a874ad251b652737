//! Audit records in CloudTrail's own vocabulary: what a client can know of a call, nothing guessed.
//!
//! Field names and shapes: CloudTrail User Guide, "CloudTrail record contents for management events". What only AWS
//! knows (`eventID`, `sourceIPAddress`, TLS details) is left out.

mod api_call;
pub mod aws_error;
mod record;
mod secret_write;

use k8s_openapi::jiff::Timestamp;

pub use api_call::{ApiCall, ObjectRef, ParameterOutcome, Principal, Resource, Session, WebIdentity};
pub use record::{AuditRecord, Decryption};
pub use secret_write::SecretWrite;

/// Schema of all records on the audit stream.
pub const SCHEMA: &str = "secureparameter.io/audit/v1";

/// Receives the records: the audit stream, and the metrics about calls.
pub trait AuditSink: Send + Sync + 'static {
    /// Takes the record of one AWS call.
    fn call(&self, record: &AuditRecord);
    /// Takes the record of one write of a Secret.
    fn write(&self, record: &SecretWrite);
}

/// RFC 3339 in whole seconds and UTC, as CloudTrail writes times.
pub fn to_seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
