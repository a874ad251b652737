//! `docs/verified.md`: a table with a row for each step. A step that does not run keeps the row of its last run.

use std::fs;

use anyhow::{Context, Result};

use super::{Row, STEPS, root};
use crate::repository::REPORT;

const HEAD: &str = "\
# What was verified

`cargo xtask verify` runs the checks that take too long for every change, and writes this page. Each row tells the commit
that was checked. `cargo xtask verify STEP` repeats one.

";
const TITLES: &str = "| Step | Claim | Result | Duration | Commit |\n| --- | --- | --- | --- | --- |\n";

/// Most characters of a result.
const LONGEST: usize = 400;

/// Rows in the order of the steps. A row of a step that is gone goes too.
pub struct Report {
    rows: Vec<Option<String>>,
}

impl Report {
    pub fn read() -> Result<Self> {
        let path = root().join(REPORT);
        let text = if path.exists() { fs::read_to_string(path).context(REPORT)? } else { String::new() };
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let row = |name: &str| text.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).map(str::to_owned);
        Self { rows: STEPS.iter().map(|step| row(step.name)).collect() }
    }

    /// Replaces the row of a step.
    pub fn set(&mut self, row: &Row) {
        let Some(at) = STEPS.iter().position(|step| step.name == row.name) else { return };
        // What an error says may have line breaks, or the character that ends a cell, and it may be long.
        let result = row.result.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        let result: String = result.chars().take(LONGEST).collect();
        let duration = format!("{} s", row.duration.as_secs().max(1));
        self.rows[at] = Some(format!("| `{}` | {} | {result} | {duration} | {} |", row.name, row.claim, row.commit));
    }

    pub fn table(&self) -> String {
        self.rows.iter().flatten().fold(TITLES.to_owned(), |table, row| table + row + "\n")
    }

    pub fn write(&self) -> Result<()> {
        fs::write(root().join(REPORT), format!("{HEAD}{}", self.table())).context(REPORT)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_of_one_step_keeps_the_rows_of_others() {
        let row = |at: usize, result: &str| Row {
            name: STEPS[at].name,
            claim: STEPS[at].claim,
            result: result.to_owned(),
            duration: Duration::from_secs(61),
            commit: "abc".to_owned(),
        };
        let mut report = Report::parse("");
        report.set(&row(0, "passed: one"));
        report.set(&row(1, "FAILED: a\nb|c"));
        let mut report = Report::parse(&format!("{}| `gone` | x | y | z | c |\n", report.table()));
        report.set(&row(0, "passed: two"));
        let table = report.table();
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(rows.len(), 2, "{table}");
        assert!(rows[0].contains("passed: two | 61 s | abc"), "{table}");
        assert!(rows[1].contains("FAILED: a b\\|c"), "{table}");
    }

    #[test]
    fn names_of_steps_are_unique_words() {
        let names: std::collections::BTreeSet<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        );
    }
}
