//! Audit records in CloudTrail's vocabulary: only what a client can know of a call, nothing guessed.
//!
//! Field names and shapes: CloudTrail User Guide, "CloudTrail record contents for management events". What only AWS
//! knows (`eventID`, `sourceIPAddress`, TLS details) is left out.

mod api_call;
pub mod aws_error;
mod format;
mod object_ref;
mod parameter_outcome;
mod principal;
mod record;
mod secret_write;
mod sink;

pub use api_call::{ApiCall, Resource, RoleSession, WebIdentity};
pub use format::to_rfc3339;
pub use object_ref::ObjectRef;
pub use parameter_outcome::ParameterOutcome;
pub use principal::Principal;
pub use record::AuditRecord;
pub use secret_write::SecretWrite;
pub use sink::AuditSink;
