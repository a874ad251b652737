//! What the operator says of itself: metrics, logs, the audit stream, health.

mod audit_sink;
mod health;
mod logs;
mod metrics;
mod server;

pub use audit_sink::AuditStream;
pub use health::Health;
pub use logs::{LogFormat, start as start_logging};
pub use metrics::Metrics;
pub use server::serve;
