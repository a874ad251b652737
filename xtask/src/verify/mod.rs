//! Checks that take too long for every change. Each is a step: a file here, and a line in [`STEPS`].

mod book;
mod empty_root;
mod image_size;
mod layout;
mod node;
mod oldest;
mod prometheus;
mod release;
mod report;
mod reproducible;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use self::report::Report;
use crate::{
    process::{cargo, command, output},
    repository::root,
};

/// All steps, in the order in which they run. A later one may use what an earlier one left in `target`.
const STEPS: &[Step] = &[
    release::STEP,
    image_size::STEP,
    empty_root::STEP,
    node::STEP,
    reproducible::STEP,
    oldest::STEP,
    prometheus::STEP,
    book::STEP,
];

/// A check.
struct Step {
    /// Its name on the command line: words joined by hyphens.
    name: &'static str,
    /// What is true if it passes: one sentence for the report.
    claim: &'static str,
    /// Runs it. An error means that the claim does not hold, or that nobody knows.
    run: fn() -> Result<Outcome>,
}

/// How a step ended that did not fail.
enum Outcome {
    /// The claim holds. With what was measured, in a few words.
    Passed(String),
    /// This machine cannot tell. With what it lacks.
    Skipped(String),
}

/// What the report says of a step.
struct Row {
    name: &'static str,
    claim: &'static str,
    result: String,
    duration: Duration,
    commit: String,
}

/// Runs all steps or those with these names, prints a table, and writes it to the report. Fails if a step failed.
pub fn run(names: &[String]) -> Result<()> {
    for name in names {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        ensure!(known.contains(&name.as_str()), "there is no step {name}; the steps are {}", known.join(", "));
    }
    let commit = output(command("git").args(["rev-parse", "--short=12", "HEAD"]))?;
    let mut report = Report::read()?;
    let mut failed = Vec::new();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        eprintln!("==> {}: {}", step.name, step.claim);
        let start = Instant::now();
        let result = match (step.run)() {
            Ok(Outcome::Passed(measured)) => format!("passed: {measured}"),
            Ok(Outcome::Skipped(lacking)) => format!("SKIPPED: {lacking}"),
            Err(error) => {
                failed.push(step.name);
                format!("FAILED: {error:#}")
            }
        };
        eprintln!("    {result}");
        let row = Row { name: step.name, claim: step.claim, result, duration: start.elapsed(), commit: commit.clone() };
        // After each step, so that nothing is lost if a later one is interrupted.
        report.set(&row);
        report.write()?;
    }
    eprintln!("\n{}", report.table());
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Runs one test of `tests/integration/` that is ignored, by its whole name, with these environment variables.
fn ignored_test(name: &str, variables: &[(&str, &str)]) -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--test", "integration", "--", "--ignored", "--exact", name]).envs(variables.iter().copied());
    let output = test.stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    // Without a test of that name, cargo is content.
    ensure!(output.status.success() && printed.contains(" 1 passed"), "{name} failed: {printed}");
    Ok(())
}

/// Reports whether this process may do everything, as some steps must.
fn is_root() -> Result<bool> {
    Ok(output(command("id").arg("-u"))? == "0")
}
