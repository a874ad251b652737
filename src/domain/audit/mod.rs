//! Audit records in CloudTrail's vocabulary: only what a client can know of a call, nothing guessed.
//!
//! Field names and shapes: CloudTrail User Guide, "CloudTrail record contents for management events". What only AWS
//! knows (`eventID`, `sourceIPAddress`, TLS details) is left out.

pub(crate) mod api_call;
pub mod aws_error;
pub(crate) mod format;
pub(crate) mod object_ref;
pub(crate) mod parameter_outcome;
pub(crate) mod principal;
pub(crate) mod record;
pub(crate) mod secret_write;
pub(crate) mod sink;

pub use api_call::{ApiCall, Resource, RoleSession, WebIdentity};
pub use format::to_rfc3339;
pub use object_ref::ObjectRef;
pub use parameter_outcome::ParameterOutcome;
pub use principal::Principal;
pub use record::AuditRecord;
pub use secret_write::SecretWrite;
pub use sink::AuditSink;
