//! Cost of the operator at scale: the real program on a real control plane, with a fake AWS that takes 20 ms a call.
//!
//! `cargo bench --bench scale -- [scenario ...] [options]` runs the named scenarios, or all. It prints a table and then one
//! line of JSON for each measurement. It fails if the operator does not reach the state that a scenario expects. Times are
//! printed and not judged, unless a table says so.
//!
//! | Option | Meaning |
//! | --- | --- |
//! | `--objects=N` | number of objects of `raw`, `cold-start`, `steady`, `restart` and `handover`; `scale` takes several |
//! | `--pairs=N` | how often `scale` measures each size |
//! | `--seconds=N` | length of `adversary` |
//!
//! | Module | Content |
//! | --- | --- |
//! | `options` | arguments |
//! | `scenario`, `failures` | scenarios without and with failures |
//! | `scale`, `growth` | cold starts of several sizes, and what each object adds |
//! | `handover` | from one leader to the next |
//! | `adversary` | a namespace that takes all, beside one that wants little |
//! | `baseline` | the same writes without an operator |
//! | `fleet` | the objects and their parameters |
//! | `progress` | waits until the operator has done something |
//! | `measurement` | one measurement, from begin to end |
//! | `operator`, `apiserver`, `cpu`, `sightings` | sources of the figures |
//! | `report` | output |

mod adversary;
mod apiserver;
mod baseline;
mod cpu;
mod failures;
mod fleet;
mod growth;
mod handover;
mod measurement;
mod operator;
mod options;
mod progress;
mod report;
mod scale;
mod scenario;
mod sightings;
#[allow(dead_code, unused_imports, reason = "shared with the tests, which need more of it")]
#[path = "../../tests/integration/support/mod.rs"]
mod support;

use anyhow::{Result, ensure};

use crate::{fleet::Fleet, measurement::Row, options::Options, scenario::SCENARIOS};

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let known: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
    for name in &options.scenarios {
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {}", known.join(", "));
    }
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, what) in SCENARIOS {
        if options.scenarios.is_empty() || options.scenarios.iter().any(|selected| selected == name) {
            report::begin(name, what)?;
            // One scenario that fails must not cost the figures of the others.
            match run(name, &options).await {
                Ok(measured) => {
                    report::show(&measured)?;
                    rows.extend(measured);
                }
                Err(error) => {
                    report::note(&format!("failed: {error:#}"))?;
                    failed.push(name);
                }
            }
        }
    }
    report::finish(&rows)?;
    ensure!(failed.is_empty(), "these scenarios failed: {}", failed.join(", "));
    Ok(())
}

/// Runs one scenario in a world of its own.
async fn run(name: &str, options: &Options) -> Result<Vec<Row>> {
    let fleet = Fleet::new(options.objects(), 1);
    match name {
        "raw" => Ok(vec![baseline::run(fleet, "raw").await?]),
        "cold-start" => Ok(vec![scenario::cold_start(fleet, "cold-start").await?]),
        "scale" => scale::run(options).await,
        "ten-keys" => Ok(vec![scenario::cold_start(Fleet::new(100, 10), "ten-keys").await?]),
        "shared" => scenario::shared().await,
        "steady" => scenario::steady(fleet).await,
        "restart" => scenario::restart(fleet).await,
        "handover" => handover::run(fleet).await,
        "new-object" => scenario::new_object().await,
        "rotation" => scenario::rotation().await,
        "broken" => failures::broken().await,
        "quota" => failures::quota(40).await,
        "adversary" => adversary::run(options.adversary).await,
        // "overrun", the only other name.
        _ => failures::quota(fleet::OPEN_QUOTA).await,
    }
}
