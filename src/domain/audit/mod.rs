//! What is recorded of each call? Records in CloudTrail's vocabulary: only what a client can know, nothing guessed.
//!
//! Field names and shapes: CloudTrail User Guide, "CloudTrail record contents for management events". What only AWS
//! knows (`eventID`, `sourceIPAddress`, TLS details) is left out.

pub(crate) mod access;
pub(crate) mod api_call;
pub(crate) mod call_record;
pub(crate) mod format;
pub(crate) mod object_ref;
pub(crate) mod parameter_outcome;
pub(crate) mod principal;
pub(crate) mod sink;
pub(crate) mod write_record;

pub use access::Access;
pub use api_call::{ApiCall, Resource, RoleSession, WebIdentity};
pub use call_record::AuditRecord;
pub use format::to_rfc3339;
pub use object_ref::ObjectRef;
pub use parameter_outcome::ParameterOutcome;
pub use principal::Principal;
pub use sink::AuditSink;
pub use write_record::SecretWrite;
