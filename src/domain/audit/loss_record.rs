//! The record of a gap in the audit stream.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::domain::audit::format::{SCHEMA, to_rfc3339};

/// Announces that records are missing before this place of the stream, because nobody took them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RecordsLost {
    schema: &'static str,
    /// Id of this record.
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "recordsLost")]
    gap: Gap,
}

#[derive(Clone, Debug, Serialize)]
struct Gap {
    count: u64,
    since: String,
    until: String,
}

impl RecordsLost {
    /// Creates the record of a gap of `count` records between two times.
    pub(crate) fn new(audit_id: String, count: u64, since: Timestamp, until: Timestamp) -> Self {
        let gap = Gap { count, since: to_rfc3339(since), until: to_rfc3339(until) };
        Self { schema: SCHEMA, audit_id, gap }
    }
}
