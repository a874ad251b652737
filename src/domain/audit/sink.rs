//! Where audit records go.

use crate::domain::audit::{call_record::AuditRecord, write_record::SecretWrite};

/// Receives the audit records: the audit stream, and the metrics of AWS calls. Never blocks.
pub(crate) trait AuditSink: Send + Sync + 'static {
    /// Takes the record of one AWS call.
    fn record_call(&self, record: &AuditRecord);
    /// Takes the record of one write of a Secret.
    fn record_write(&self, record: &SecretWrite);
    /// Reports whether calls should wait, because their records might find no room. Turns false after some seconds, even
    /// if there still is none.
    fn is_congested(&self) -> bool {
        false
    }
}
