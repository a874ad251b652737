//! What the kernel knows of the process, under the names that every Prometheus client gives it. Read at each scrape; on
//! systems without `/proc` only the start is known.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Ticks a second in `/proc`, on every architecture that the operator is built for (Linux, `proc_pid_stat(5)`,
/// `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Collects the figures.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    /// Seconds since 1970.
    started: f64,
}

impl ProcessCollector {
    /// The process counts as started now.
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: since.as_secs_f64() }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Time at which the process started, in seconds since 1970";
        gauge(&mut encoder, "process_start_time_seconds", help, Some(self.started))?;
        if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            let counter = ConstCounter::new(seconds);
            let help = "CPU time of the process, of users and of the kernel, in seconds";
            counter.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?)?;
        }
        let status = read("/proc/self/status").unwrap_or_default();
        let bytes = |field: &str| Some(1_024.0 * number(&status, field)?);
        gauge(&mut encoder, "process_resident_memory_bytes", "Memory that the process occupies", bytes("VmRSS:"))?;
        gauge(&mut encoder, "process_virtual_memory_bytes", "Memory that the process reserves", bytes("VmSize:"))?;
        gauge(&mut encoder, "process_open_fds", "Open file descriptors", open_files())?;
        let limits = read("/proc/self/limits").unwrap_or_default();
        let most = number(&limits, "Max open files");
        gauge(&mut encoder, "process_max_fds", "Most file descriptors that may be open", most)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: Option<f64>) -> Result<(), fmt::Error> {
    let Some(value) = value else { return Ok(()) };
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Returns the time of users and kernel from `/proc/self/stat`. The name of the program comes before, and may hold spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS_PER_SECOND)
}

/// Returns the first number of the line that begins with `field`.
fn number(text: &str, field: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<f64> {
    // Without that of the folder itself.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_kernel_are_read() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        let status = "Name:\tx\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((number(status, "VmRSS:"), number(status, "VmSwap:")), (Some(1_024.0), None));
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024    4096    files\n";
        assert_eq!(number(limits, "Max open files"), Some(1_024.0));
        assert_eq!(number("Max open files  unlimited  unlimited  files\n", "Max open files"), None);
    }
}
