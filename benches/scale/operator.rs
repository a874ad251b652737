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

use crate::support::World;

/// Clock ticks a second, the unit of CPU time in /proc on Linux.
const TICKS: f64 = 100.0;
/// Time between two counts of open files.
const SAMPLE: Duration = Duration::from_millis(100);

/// Resources that a process uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// CPU seconds, user and system.
    pub cpu: f64,
    /// Resident memory, in MiB.
    pub resident: f64,
    /// Highest resident memory so far, in MiB.
    pub peak: f64,
}

/// Process id of the operator, if it runs.
pub fn id(world: &World) -> Option<u32> {
    world.operator.as_ref().map(|operator| operator.process().id())
}

/// Resources that the process uses now.
pub fn usage(id: u32) -> Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let mebibytes = |field: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("a field of /proc is missing")?;
        Ok(line.split_whitespace().next().context("an empty field")?.parse::<f64>()? / 1024.0)
    };
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The program name, in parentheses, may contain blanks.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>();
    Ok(Usage { cpu: ticks / TICKS, resident: mebibytes("VmRSS:")?, peak: mebibytes("VmHWM:")? })
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

/// The operator's own metrics by reason; `metric` is a name and the labels before the reason, as in `objects{`.
pub async fn by_reason(world: &World, metric: &str) -> Result<BTreeMap<String, usize>> {
    let (_, text) = world.operator().get("/metrics").await?;
    let prefix = format!("secureparameter_{metric}reason=\"");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "));
    lines.map(|(reason, count)| Ok((reason.to_owned(), count.trim().parse()?))).collect()
}

/// One of the operator's own counters.
pub async fn total(world: &World, counter: &str) -> Result<usize> {
    let (_, text) = world.operator().get("/metrics").await?;
    let prefix = format!("secureparameter_{counter}_total ");
    let count = text.lines().find_map(|line| line.strip_prefix(&prefix));
    Ok(count.context("no such counter")?.trim().parse()?)
}
