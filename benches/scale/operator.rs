//! Figures about the operator's process, from the kernel and from its own metrics.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};

use crate::support::Operator;

/// Time between two counts of open files.
const SAMPLE: Duration = Duration::from_millis(100);

/// Memory of a process, in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// Highest resident so far.
    pub peak: f64,
}

/// Memory of the process.
pub fn memory(id: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let mebibytes = |field: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("a field of /proc is missing")?;
        Ok(line.split_whitespace().next().context("an empty field")?.parse::<f64>()? / 1024.0)
    };
    Ok(Memory { resident: mebibytes("VmRSS:")?, peak: mebibytes("VmHWM:")? })
}

/// Counts the open files of a process until it is dropped.
pub struct OpenFiles {
    most: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl OpenFiles {
    /// Starts to count.
    pub fn of(id: u32) -> Self {
        let most = Arc::new(AtomicUsize::new(count(id)));
        let counted = Arc::clone(&most);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(SAMPLE).await;
                counted.fetch_max(count(id), Ordering::Relaxed);
            }
        });
        Self { most, task }
    }

    /// Highest number of open files.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

impl Drop for OpenFiles {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn count(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}

/// What the operator says about its objects.
pub struct Counts {
    /// Objects by reason. The operator counts them once a second.
    pub objects: BTreeMap<String, usize>,
    /// Reconciles of objects that ended in sync, counted at once.
    pub synced: usize,
}

/// Reads both from one page, since each read costs the operator something.
pub async fn counts(operator: &Operator) -> Result<Counts> {
    let (_, text) = operator.get("/metrics").await?;
    let mut objects = by_reason(&text, "objects{")?;
    objects.retain(|_, count| *count > 0);
    let synced = by_reason(&text, "reconciles_total{kind=\"SecureParameter\",")?.remove("Synced").unwrap_or_default();
    Ok(Counts { objects, synced })
}

/// `metric` is a name and the labels before the reason, as in `objects{`.
fn by_reason(text: &str, metric: &str) -> Result<BTreeMap<String, usize>> {
    let prefix = format!("secureparameter_{metric}reason=\"");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "));
    lines.map(|(reason, count)| Ok((reason.to_owned(), count.trim().parse()?))).collect()
}

/// One of the operator's own counters or gauges without labels.
pub async fn value(operator: &Operator, name: &str) -> Result<usize> {
    let (_, text) = operator.get("/metrics").await?;
    let prefix = format!("secureparameter_{name} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
    Ok(value.with_context(|| format!("the operator has no metric {name}"))?.trim().parse()?)
}

/// AWS calls that the operator has counted, of all kinds.
pub async fn aws_calls(operator: &Operator) -> Result<usize> {
    let (_, text) = operator.get("/metrics").await?;
    let counts =
        text.lines().filter_map(|line| line.strip_prefix("secureparameter_aws_calls_total{")?.rsplit_once("} "));
    counts.map(|(_, count)| Ok(count.trim().parse::<usize>()?)).sum()
}
