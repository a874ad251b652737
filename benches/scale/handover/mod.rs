//! From one leader to the next, with all objects in sync.
//!
//! | Module | Content |
//! | --- | --- |
//! | `replicas` | the two operators and their Lease |
//! | `verdict` | figures beside their targets |

mod replicas;
mod verdict;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::Api;

use crate::{
    fleet::{self, Fleet},
    measurement::{Measurement, Row},
    progress, report,
    sightings::Sightings,
    support::World,
};

use self::{replicas::Replicas, verdict::Handover};

/// The ends of a leader: what it is called, and the signal.
const ENDS: [(&str, &str); 2] = [("kill -9", "KILL"), ("clean stop", "TERM")];
/// One of this many parameters is rotated.
const ROTATED: usize = 100;

/// Time after which the status of the store has followed what the store does, which the operator compares every 30 s.
const ACTIVITY: Duration = Duration::from_secs(35);

/// Ends the leader in both ways, first while nothing changes and then at the moment in which parameters are rotated.
pub async fn run(fleet: Fleet) -> Result<Vec<Row>> {
    let mut world = fleet.world().await?;
    let secrets = Sightings::of(Api::all(world.client.clone()), replicas::value);
    let mut replicas = Replicas::start(&world, fleet).await?;
    progress::settled(&world, fleet).await?;
    tokio::time::sleep(ACTIVITY).await;
    let mut handovers = Vec::new();
    for (turn, is_rotated) in [false, true].into_iter().enumerate() {
        for (what, signal) in ENDS {
            replicas.add(&world, fleet).await?;
            let rotation = is_rotated.then(|| Rotation { fleet, value: format!("{what}, {turn}"), secrets: &secrets });
            let name = format!("{what}{}", if is_rotated { ", rotated" } else { "" });
            handovers.push(measure(&mut world, &mut replicas, &name, signal, fleet, rotation).await?);
        }
    }
    verdict::show(&handovers)?;
    Ok(handovers.into_iter().map(|handover| handover.row).collect())
}

/// Ends the leader and measures until the other one has looked at all objects.
async fn measure(
    world: &mut World,
    replicas: &mut Replicas,
    name: &str,
    signal: &'static str,
    fleet: Fleet,
    rotation: Option<Rotation<'_>>,
) -> Result<Handover> {
    let idle = replicas.idle().await?;
    let mut measurement = Measurement::begin(world, name).await?;
    measurement.follow(replicas.standby()?.process().id())?;
    let signalled = Instant::now();
    replicas.end_leader(signal)?;
    if let Some(rotation) = &rotation {
        rotation.rotate(world);
    }
    let held = replicas.next_holder(signalled + fleet.patience()).await.context("nobody took the Lease")?;
    let leader = replicas.leader()?;
    progress::all_reconciled(leader, fleet).await?;
    measurement.stop_clock_at(Instant::now());
    let latencies_ms = match &rotation {
        Some(rotation) => rotation.waits(signalled).await?,
        None => Vec::new(),
    };
    // Status and Event are written after the Secret.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let row = Row { latencies_ms, ..measurement.end(world).await? };
    let to_holder = held.duration_since(signalled);
    report::note(&format!("{name}: a new holder after {:.2} s", to_holder.as_secs_f64()))?;
    Ok(Handover { is_clean: signal == "TERM", is_rotated: rotation.is_some(), to_holder, idle, row })
}

/// Parameters that are rotated while nobody leads.
struct Rotation<'a> {
    fleet: Fleet,
    value: String,
    secrets: &'a Sightings,
}

impl Rotation<'_> {
    fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..self.fleet.objects).step_by(ROTATED)
    }

    fn rotate(&self, world: &World) {
        for number in self.numbers() {
            world.aws.put(&self.fleet.parameter(number, 0), &self.value);
        }
    }

    /// How long each Secret took, in milliseconds, sorted.
    async fn waits(&self, since: Instant) -> Result<Vec<u128>> {
        let (mut waits, deadline) = (Vec::new(), Instant::now() + self.fleet.patience());
        for number in self.numbers() {
            let name = fleet::name(number);
            let seen = self.secrets.of_value(&name, &self.value, deadline).await;
            let seen = seen.with_context(|| format!("Secret {name} never got the rotated value"))?;
            waits.push(seen.duration_since(since).as_millis());
        }
        waits.sort_unstable();
        Ok(waits)
    }
}
