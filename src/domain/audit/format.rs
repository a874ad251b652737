//! What all audit records have in common.

use k8s_openapi::jiff::Timestamp;

/// Schema of all records on the audit stream.
pub(super) const SCHEMA: &str = "secureparameter.io/audit/v1";

/// Returns a time in RFC 3339, in UTC and whole seconds, as CloudTrail writes times.
pub(crate) fn to_rfc3339(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
