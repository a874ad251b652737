//! What the operator costs at scale: the real program on a real control plane and a fake AWS that takes 20 ms a call.
//!
//! `cargo bench --bench scale -- [scenario ...]` runs the named scenarios, or all. It prints a table and then one line
//! of JSON for every measurement. It fails if the operator does not reach the state that a scenario expects; how long
//! anything took is printed and never judged.
//!
//! | Module | Idea |
//! | --- | --- |
//! | `scenario`, `trouble` | what is measured |
//! | `raw` | the same writes without an operator |
//! | `fleet` | the objects and their parameters |
//! | `phase` | one measurement, from its beginning to its end |
//! | `operator`, `apiserver` | where the numbers come from |
//! | `report` | how they are shown |

mod apiserver;
mod fleet;
mod operator;
mod phase;
mod raw;
mod report;
mod scenario;
#[allow(dead_code, unused_imports, reason = "shared with the tests, which need more of it")]
#[path = "../../tests/integration/support/mod.rs"]
mod support;
mod trouble;

use anyhow::{Result, ensure};

use crate::{phase::Row, scenario::SCENARIOS};

#[tokio::main]
async fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let known: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
    for name in &wanted {
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {}", known.join(", "));
    }
    let mut rows = Vec::new();
    for (name, what) in SCENARIOS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            report::begin(name, what)?;
            let measured = run(name).await?;
            report::show(&measured)?;
            rows.extend(measured);
        }
    }
    report::finish(&rows)
}

/// Runs one scenario in a world of its own.
async fn run(name: &str) -> Result<Vec<Row>> {
    match name {
        "raw" => raw::run().await,
        "cold-start" => scenario::cold_start(1000, 1).await,
        "ten-keys" => scenario::cold_start(100, 10).await,
        "shared" => scenario::shared().await,
        "steady" => scenario::steady().await,
        "restart" => scenario::restart().await,
        "new-object" => scenario::new_object().await,
        "rotation" => scenario::rotation().await,
        "broken" => trouble::broken().await,
        "quota" => trouble::quota(40).await,
        // The last there is.
        _ => trouble::quota(fleet::OPEN_QUOTA).await,
    }
}
