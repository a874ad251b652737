//! What the operator says of itself: metrics, logs, the audit stream, health.

mod audit_log;
mod health;
mod logging;
mod metrics;
mod server;

pub use audit_log::AuditLog;
pub use health::Health;
pub use logging::{LogFormat, start as start_logging};
pub use metrics::Metrics;
pub use server::serve;
