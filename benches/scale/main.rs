//! Cost of the operator at scale: the real program on a real control plane, with a fake AWS that takes 20 ms a call.
//!
//! `cargo bench --bench scale -- [scenario ...] [--seconds=N]` runs the named scenarios, or all. `--seconds` makes
//! `adversary` shorter or longer than two minutes. It prints a table and then one line
//! of JSON for each measurement. It fails if the operator does not reach the state that a scenario expects. Times are
//! printed and not judged.
//!
//! | Module | Content |
//! | --- | --- |
//! | `scenario`, `failures` | scenarios without and with failures |
//! | `adversary` | a namespace that takes all, beside one that wants little |
//! | `baseline` | the same writes without an operator |
//! | `fleet` | the objects and their parameters |
//! | `measurement` | one measurement, from begin to end |
//! | `operator`, `apiserver` | sources of the figures |
//! | `report` | output |

mod adversary;
mod apiserver;
mod baseline;
mod failures;
mod fleet;
mod measurement;
mod operator;
mod report;
mod scenario;
#[allow(dead_code, unused_imports, reason = "shared with the tests, which need more of it")]
#[path = "../../tests/integration/support/mod.rs"]
mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{measurement::Row, scenario::SCENARIOS};

/// Default length of scenario `adversary`.
const ADVERSARY: Duration = Duration::from_mins(2);

#[tokio::main]
async fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let selected: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let seconds = std::env::args().find_map(|argument| argument.strip_prefix("--seconds=").map(str::to_owned));
    let seconds = seconds.map(|seconds| seconds.parse().context("--seconds needs a whole number")).transpose()?;
    let known: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
    for name in &selected {
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {}", known.join(", "));
    }
    let mut rows = Vec::new();
    for (name, what) in SCENARIOS {
        if selected.is_empty() || selected.iter().any(|selected| selected == name) {
            report::begin(name, what)?;
            let measured = run(name, seconds.map_or(ADVERSARY, Duration::from_secs)).await?;
            report::show(&measured)?;
            rows.extend(measured);
        }
    }
    report::finish(&rows)
}

/// Runs one scenario in a world of its own. `adversary` is the length of the scenario of that name.
async fn run(name: &str, adversary: Duration) -> Result<Vec<Row>> {
    match name {
        "raw" => baseline::run().await,
        "cold-start" => scenario::cold_start(1000, 1).await,
        "ten-keys" => scenario::cold_start(100, 10).await,
        "shared" => scenario::shared().await,
        "steady" => scenario::steady().await,
        "restart" => scenario::restart().await,
        "new-object" => scenario::new_object().await,
        "rotation" => scenario::rotation().await,
        "broken" => failures::broken().await,
        "quota" => failures::quota(40).await,
        "adversary" => adversary::run(adversary).await,
        // "overrun", the only other name.
        _ => failures::quota(fleet::OPEN_QUOTA).await,
    }
}
