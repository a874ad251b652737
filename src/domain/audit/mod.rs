//! What is recorded of each call? Records in CloudTrail's vocabulary: only what a client can know, nothing guessed.
//!
//! Field names and shapes: CloudTrail User Guide, "CloudTrail record contents for management events". What only AWS
//! knows (`eventID`, `sourceIPAddress`, TLS details) is left out.

pub(crate) mod access;
pub(crate) mod api_call;
pub(crate) mod call_record;
pub(crate) mod format;
pub(crate) mod loss_record;
pub(crate) mod object_ref;
pub(crate) mod parameter_outcome;
pub(crate) mod principal;
pub(crate) mod sink;
pub(crate) mod write_record;

pub(crate) use access::Access;
pub(crate) use api_call::{ApiCall, Resource, RoleSession, WebIdentity};
pub(crate) use call_record::AuditRecord;
pub(crate) use format::to_rfc3339;
pub(crate) use loss_record::RecordsLost;
pub(crate) use object_ref::ObjectRef;
pub(crate) use parameter_outcome::ParameterOutcome;
pub(crate) use principal::Principal;
pub(crate) use sink::AuditSink;
pub(crate) use write_record::SecretWrite;
