//! Output of the measurements: a table, and JSON.

use std::io::{Result, Write, stdout};

use crate::measurement::Row;

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
        print(&format!("| {what} | {measured:.digits$} {unit} | {most:.0} {unit} | {verdict} |\n"))?;
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
            row.cpu_seconds,
            row.load,
        ))?;
    }
    Ok(())
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
