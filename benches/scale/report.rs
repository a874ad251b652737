//! Output of the measurements: a table, and JSON.

use std::io::{Result, Write, stdout};

use crate::{cpu, measurement::Row};

/// Column titles.
const COLUMNS: [&str; 12] = [
    "Scenario",
    "s",
    "AWS calls",
    "KMS decrypts",
    "Secret writes",
    "Status writes",
    "Events",
    "Peak MiB",
    "Resident MiB",
    "Open files",
    "CPU s",
    "Load",
];

/// Prints the title of a scenario.
pub fn begin(name: &str, what: &str) -> Result<()> {
    print(&format!("\n== {name}: {what}\n"))
}

/// Prints the measurements of one scenario.
pub fn show(rows: &[Row]) -> Result<()> {
    table(rows)?;
    for row in rows {
        for (kind, counts) in [("AWS", counts(&row.aws_calls)), ("API server", counts(&row.api_requests))] {
            print(&format!("   {kind}, {}: {counts}\n", row.scenario))?;
        }
        print(&format!("   CPU, {}: {}\n", row.scenario, cpu(row)))?;
        if let (Some(least), Some(most)) = (row.latencies_ms.first(), row.latencies_ms.last()) {
            let median = row.latencies_ms[row.latencies_ms.len() / 2];
            print(&format!("   each took {least} to {most} ms, median {median} ms\n"))?;
        }
    }
    Ok(())
}

/// A figure and its target, in the same unit.
pub struct Judged {
    what: String,
    measured: f64,
    most: f64,
    unit: &'static str,
}

impl Judged {
    /// A figure that must not exceed `most`.
    pub fn new(what: &str, measured: f64, most: f64, unit: &'static str) -> Self {
        Self { what: what.to_owned(), measured, most, unit }
    }
}

/// Prints figures beside their targets.
pub fn judge(figures: &[Judged]) -> Result<()> {
    print("| Figure | Measured | At most | |\n| --- | --: | --: | --- |\n")?;
    for Judged { what, measured, most, unit } in figures {
        let verdict = if measured <= most { "met" } else { "missed" };
        let digits = if unit.is_empty() { 0 } else { 2 };
        let (most, verdict) = if most.is_finite() { (format!("{most} {unit}"), verdict) } else { Default::default() };
        print(&format!("| {what} | {measured:.digits$} {unit} | {most} | {verdict} |\n"))?;
    }
    Ok(())
}

/// Prints what each further object adds.
pub fn growth(titles: &[String], lines: &[(&str, Vec<String>)]) -> anyhow::Result<()> {
    print(&format!("| Per object | {} |\n| --- |{}\n", titles.join(" | "), " --: |".repeat(titles.len())))?;
    for (what, slopes) in lines {
        print(&format!("| {what} | {} |\n", slopes.join(" | ")))?;
    }
    Ok(())
}

/// Prints a line below a table.
pub fn note(text: &str) -> anyhow::Result<()> {
    Ok(print(&format!("   {text}\n"))?)
}

/// Prints all measurements again, as a table and as JSON.
pub fn finish(rows: &[Row]) -> anyhow::Result<()> {
    print("\n== all\n")?;
    table(rows)?;
    for row in rows {
        print(&format!("{}\n", serde_json::to_string(row)?))?;
    }
    Ok(())
}

fn table(rows: &[Row]) -> Result<()> {
    print(&format!("| {} |\n| --- |{}\n", COLUMNS.join(" | "), " --: |".repeat(COLUMNS.len() - 1)))?;
    for row in rows {
        let [secrets, statuses, events] = ["secrets", "secureparameters", "events"].map(|what| row.writes(what));
        print(&format!(
            "| {} | {:.1} | {} | {} | {secrets} | {statuses} | {events} | {:.0} | {:.0} | {} | {:.2} | {:.1} |\n",
            row.scenario,
            row.seconds,
            row.aws_calls.values().sum::<usize>(),
            row.kms_decrypts,
            row.peak_mib,
            row.resident_mib,
            row.open_files,
            row.cpu_seconds.operator,
            row.load,
        ))?;
    }
    Ok(())
}

/// Who used the CPU, and how busy it was. Times are comparable only if others used little.
fn cpu(row: &Row) -> String {
    let (used, available) = (&row.cpu_seconds, row.cpu_seconds.within * cpu::cores());
    let percent = |seconds: f64| 100.0 * seconds / available;
    format!(
        "operator {:.1} s, API server {:.1} s, etcd {:.1} s, controller manager {:.1} s, fake AWS and clients {:.1} s, others \
         {:.1} s; {:.0} cores {:.0} % busy, {:.0} % with others",
        used.operator,
        used.apiserver,
        used.etcd,
        used.controllers,
        used.bench,
        used.others,
        cpu::cores(),
        percent(used.sum()),
        percent(used.others),
    )
}

fn counts<C: std::fmt::Display>(counts: &std::collections::BTreeMap<String, C>) -> String {
    let shown: Vec<_> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
