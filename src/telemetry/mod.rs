//! What the process reports about itself: logs, metrics, the audit stream, health.

mod audit_queue;
pub(crate) mod audit_stream;
pub(crate) mod connections;
pub(crate) mod health;
pub(crate) mod heartbeat;
mod log_lines;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod object_span;
pub(crate) mod panics;
pub(crate) mod server;

pub use logs::{LogFormat, start as start_logging};
