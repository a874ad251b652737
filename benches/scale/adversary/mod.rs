//! One namespace takes all that it can get while another wants little.
//!
//! | Module | Content |
//! | --- | --- |
//! | `loud` | the namespace that takes all |
//! | `quiet` | the namespace that wants little, and how long it waits |
//! | `verdict` | figures beside their targets |

mod loud;
mod quiet;
mod verdict;

use std::time::{Duration, Instant};

use anyhow::Result;
use testbed::fake_aws::Quota;

use crate::{
    fleet::LATENCY,
    measurement::{Measurement, Row},
    support::World,
};

use self::{
    loud::Loud,
    quiet::{Quiet, Waits},
    verdict::{Probes, Verdict},
};

/// Longest time for which the quiet namespace is measured alone.
const ALONE: Duration = Duration::from_secs(30);

/// Measures the quiet namespace alone, and then for `length` beside the loud one.
pub async fn run(length: Duration) -> Result<Vec<Row>> {
    // The store has the default quota, and the account that of a new account.
    let mut world = World::without_operator().await?;
    world.aws.set_latency(LATENCY);
    world.aws.set_quota(Some(Quota::default()));
    world.start_operator().await?;

    let measurement = Measurement::begin(&mut world, "quiet alone").await?;
    let alone = Quiet { world: &world, prefix: "alone" }.run(length.min(ALONE)).await?;
    let before = with_latencies(measurement.end(&mut world).await?, &alone);

    let loud = Loud::prepare(&world).await?;
    let measurement = Measurement::begin(&mut world, "adversary").await?;
    let probes = Probes::of(&world);
    let started = Instant::now();
    let running = loud.start();
    let beside = Quiet { world: &world, prefix: "beside" }.run(length).await?;
    tokio::time::sleep(length.saturating_sub(started.elapsed())).await;
    let done = running.stop();
    let verdict = Verdict { alone: &alone, beside: &beside, probes: &probes, done: &done };
    if let Err(error) = world.operator().process().ensure_running() {
        verdict.show(None)?;
        return Err(error);
    }
    let row = with_latencies(measurement.end(&mut world).await?, &beside);
    verdict.show(Some(&row))?;
    Ok(vec![before, row])
}

/// Adds the first syncs of the quiet namespace to a row.
fn with_latencies(row: Row, waits: &Waits) -> Row {
    let mut latencies_ms: Vec<_> = waits.first_syncs.iter().flatten().map(Duration::as_millis).collect();
    latencies_ms.sort_unstable();
    Row { latencies_ms, ..row }
}
