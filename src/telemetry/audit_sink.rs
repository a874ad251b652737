//! The audit stream: one JSON object a line, to standard output, where nothing else is written.

use std::{
    io::{Write, stdout},
    sync::Arc,
};

use serde::Serialize;

use crate::domain::audit::{AuditRecord, AuditSink, SecretWrite};
use crate::telemetry::Metrics;

/// Writes audit records, and counts the calls they speak of.
pub struct AuditStream {
    metrics: Arc<Metrics>,
}

impl AuditStream {
    /// Counts calls in `metrics`.
    pub const fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl AuditSink for AuditStream {
    fn record_call(&self, record: &AuditRecord) {
        self.metrics.aws_call(record);
        write(record);
    }

    fn record_write(&self, record: &SecretWrite) {
        write(record);
    }
}

fn write(record: &impl Serialize) {
    let line = serde_json::to_string(record).map(|json| json + "\n");
    // One write for the whole line, so that nothing mixes with it.
    let written = line.map_err(std::io::Error::from).and_then(|line| {
        let mut out = stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()
    });
    if let Err(error) = written {
        tracing::error!(%error, "an audit record could not be written");
    }
}
