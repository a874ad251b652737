//! The figures of the scenario beside their targets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinHandle;

use crate::{
    measurement::Row,
    report::{self, Judged},
    support::World,
};

use super::quiet::{INTERVAL, Waits};

/// Time between two probes.
const PROBE: Duration = Duration::from_secs(1);
/// Longest time from the creation of an object until its Secret exists, in seconds.
const FIRST_SYNC: f64 = 1.0;
/// Longest time beyond the interval from a rotation until the Secret has it, in seconds.
const BEYOND_INTERVAL: f64 = 2.0;
/// Resident memory, in MiB.
const MEMORY: f64 = 96.0;
/// Open files.
const FILES: f64 = 64.0;
/// Longest time that a probe may take: the kubelet's default, in seconds.
const ANSWER: f64 = 1.0;

/// Asks `/healthz` as the kubelet does, until it is dropped.
pub struct Probes {
    worst: Arc<Mutex<Duration>>,
    task: JoinHandle<()>,
}

impl Probes {
    /// Starts to ask the operator of this world.
    pub fn of(world: &World) -> Self {
        let worst = Arc::<Mutex<Duration>>::default();
        let longest = Arc::clone(&worst);
        let operator = world.operator.clone();
        let task = tokio::spawn(async move {
            let Some(operator) = operator else { return };
            loop {
                tokio::time::sleep(PROBE).await;
                let asked = Instant::now();
                let is_alive = matches!(operator.get("/healthz").await, Ok((200, _)));
                let took = if is_alive { asked.elapsed() } else { Duration::MAX };
                let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
                *longest = took.max(*longest);
            }
        });
        Self { worst, task }
    }

    fn worst(&self) -> Duration {
        *self.worst.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All that is judged.
pub struct Verdict<'a> {
    /// The quiet namespace alone.
    pub alone: &'a Waits,
    /// The quiet namespace beside the loud one.
    pub beside: &'a Waits,
    /// Answers of `/healthz`.
    pub probes: &'a Probes,
    /// What the loud namespace did.
    pub done: &'a BTreeMap<&'static str, usize>,
}

impl Verdict<'_> {
    /// Prints it. `row` is `None` if the operator has ended.
    pub fn show(&self, row: Option<&Row>) -> Result<()> {
        let mut judged = waits("alone", self.alone);
        judged.extend(waits("beside the loud namespace", self.beside));
        judged.push(Judged::new("Restarts", if row.is_some() { 0.0 } else { 1.0 }, 0.0, ""));
        judged.push(Judged::new("Longest answer of /healthz", self.probes.worst().as_secs_f64(), ANSWER, "s"));
        if let Some(row) = row {
            judged.push(Judged::new("Peak resident memory", row.peak_mib, MEMORY, "MiB"));
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            judged.push(Judged::new("Most open files", row.open_files as f64, FILES, ""));
        }
        report::judge(&judged)?;
        report::note(&format!("first syncs beside the loud namespace: {}", list(&self.beside.first_syncs)))?;
        report::note(&format!("rotations beside the loud namespace: {}", list(&self.beside.rotations)))?;
        let worst = |waits: &Waits| waits.creations.iter().max().copied().unwrap_or_default().as_millis();
        report::note(&format!(
            "the API server took at most {} ms to create an object of the quiet namespace, {} ms alone",
            worst(self.beside),
            worst(self.alone),
        ))?;
        let done: Vec<_> = self.done.iter().map(|(what, count)| format!("{what} {count}")).collect();
        report::note(&format!("the loud namespace: {}", done.join(", ")))
    }
}

/// All waits in the order of the objects.
fn list(waits: &[Option<Duration>]) -> String {
    let shown = waits.iter().map(|wait| wait.map_or("never".to_owned(), |wait| format!("{:.1} s", wait.as_secs_f64())));
    shown.collect::<Vec<_>>().join(", ")
}

fn waits(which: &str, waits: &Waits) -> Vec<Judged> {
    // A wait without an end is infinite.
    let worst = |waits: &[Option<Duration>]| {
        waits.iter().map(|wait| wait.map_or(f64::INFINITY, |wait| wait.as_secs_f64())).fold(0.0, f64::max)
    };
    let beyond = (worst(&waits.rotations) - INTERVAL.as_secs_f64()).max(0.0);
    vec![
        Judged::new(&format!("Worst first sync, {which}"), worst(&waits.first_syncs), FIRST_SYNC, "s"),
        Judged::new(&format!("Worst rotation beyond its interval, {which}"), beyond, BEYOND_INTERVAL, "s"),
    ]
}
