//! The audit stream: one JSON object a line on standard output. Nothing else writes there.

use std::{
    io::{Write, stdout},
    sync::Arc,
};

use serde::Serialize;

use crate::domain::audit::{AuditRecord, AuditSink, SecretWrite};
use crate::telemetry::metrics::Metrics;

/// Writes audit records to standard output and counts the calls they describe.
pub(crate) struct AuditStream {
    metrics: Arc<Metrics>,
}

impl AuditStream {
    /// Creates the stream; calls are counted in `metrics`.
    pub(crate) const fn new(metrics: Arc<Metrics>) -> Self {
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
    // One write for each line, so that lines of different threads are not mixed.
    let written = line.map_err(std::io::Error::from).and_then(|line| {
        let mut out = stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()
    });
    if let Err(error) = written {
        tracing::error!(%error, "could not write an audit record");
    }
}
