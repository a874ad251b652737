//! Delays calls of AWS while the reader of the audit stream falls behind, so that their records find room.

use std::time::Duration;

use tokio::time::sleep;

use crate::domain::audit::AuditSink;

/// Time between two looks at the audit stream.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits for as long as the sink asks for, which it bounds itself.
pub(crate) async fn wait_for_room(audit_sink: &dyn AuditSink) {
    while audit_sink.is_congested() {
        sleep(INTERVAL).await;
    }
}
