//! The record of one write of a Secret.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::domain::audit::{
    format::{SCHEMA, to_rfc3339},
    object_ref::ObjectRef,
};

/// The record of a write of a Secret. It is on the same stream, so that a write without an AWS call is not mistaken for
/// an access.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretWrite {
    schema: &'static str,
    /// Id of this record.
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "secretWrite")]
    details: WriteDetails,
    objects: Vec<ObjectRef>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WriteDetails {
    verb: &'static str,
    time: String,
    resource_version: Option<String>,
    #[serde(rename = "requestIDs")]
    request_ids: Vec<String>,
}

impl SecretWrite {
    /// Creates the record of a write.
    ///
    /// `verb` is `apply`, `delete`, `release` or `withdraw`; `resource_version` is the Secret's after the write;
    /// `request_ids` are those of the AWS calls that led to it.
    pub(crate) fn new(
        audit_id: String,
        verb: &'static str,
        time: Timestamp,
        resource_version: Option<String>,
        request_ids: Vec<String>,
        object: ObjectRef,
    ) -> Self {
        let details = WriteDetails { verb, time: to_rfc3339(time), resource_version, request_ids };
        Self { schema: SCHEMA, audit_id, details, objects: vec![object] }
    }
}
