//! Scenarios without failures.

use std::time::{Duration, Instant};

use anyhow::Result;
use secure_parameter_operator::api::SecureParameter;

use crate::{
    fleet::{self, Fleet},
    measurement::{Measurement, Row},
    operator, progress,
    support::World,
};

/// Names and descriptions of all scenarios, in the order in which they run.
pub const SCENARIOS: [(&str, &str); 14] = [
    ("raw", "no operator: one Secret, status and Event for 1,000 objects by a plain client, 64 at a time"),
    ("cold-start", "1,000 objects with one key each, quota opened"),
    ("scale", "cold starts of 1,000, 10,000 and 50,000 objects, each after `raw` of the same size"),
    ("ten-keys", "100 objects with ten keys each, quota opened"),
    ("shared", "100 objects with the same ten keys; then a minute of that state"),
    ("steady", "1,000 objects at a one-minute interval for two minutes"),
    ("restart", "the operator starts again for 1,000 objects in sync"),
    ("handover", "from one leader to the next for 1,000 objects in sync: kill -9 and a clean stop"),
    ("new-object", "twenty new objects, one by one, while 2,000 refresh every ten seconds within 40 requests a second"),
    ("rotation", "1 % of 1,000 parameters change at once, at a one-minute interval"),
    ("broken", "5 % of 1,000 objects are denied or missing; then two minutes of that state"),
    ("quota", "1,000 objects with one key in an account that throttles at 40/s, store allows 40/s"),
    ("overrun", "the same where others leave 5/s of it and the store allows 1,000/s"),
    (
        "adversary",
        "one namespace takes all that it can get for two minutes, while another creates ten objects and rotates",
    ),
];
/// Number of new objects.
const NEW_OBJECTS: usize = 20;
/// Time between two reads of a new object.
const READ_INTERVAL: Duration = Duration::from_millis(5);

/// The time from the operator's start until all objects are in sync.
pub async fn cold_start(fleet: Fleet, name: &str) -> Result<Row> {
    start(&mut fleet.world().await?, fleet, name).await
}

/// A cold start of objects that share their parameters, then a minute of that state.
pub async fn shared() -> Result<Vec<Row>> {
    let fleet = Fleet { shared: true, ..Fleet::new(100, 10) };
    let mut world = fleet.world().await?;
    let start = start(&mut world, fleet, "shared").await?;
    Ok(vec![start, idle(&mut world, fleet, "shared, 1 min", Duration::from_mins(1)).await?])
}

/// Two minutes in which nothing changes.
pub async fn steady(fleet: Fleet) -> Result<Vec<Row>> {
    let mut world = fleet.synced().await?;
    Ok(vec![idle(&mut world, fleet, "steady, 2 min", Duration::from_mins(2)).await?])
}

/// A restart with all objects in sync, until each has been reconciled.
pub async fn restart(fleet: Fleet) -> Result<Vec<Row>> {
    let mut world = fleet.synced().await?;
    world.stop_operator()?;
    let mut measurement = Measurement::begin(&mut world, "restart").await?;
    measurement.launch(&mut world)?;
    progress::all_reconciled(world.operator(), fleet).await?;
    let row = measurement.end(&mut world).await?;
    fleet.verify(&world, fleet.objects).await?;
    Ok(vec![row])
}

/// The latency of a new object while all others are polled.
pub async fn new_object() -> Result<Vec<Row>> {
    let fleet = Fleet { interval: "10s", quota: 40, ..Fleet::new(2000, 1) };
    let mut world = fleet.synced().await?;
    // Starts in the middle of a refresh interval.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let measurement = Measurement::begin(&mut world, "new-object x 20").await?;
    let mut latencies = Vec::new();
    for number in fleet.objects..fleet.objects + NEW_OBJECTS {
        latencies.push(sync_new_object(&world, fleet, number).await?.as_millis());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    latencies.sort_unstable();
    let row = Row { latencies_ms: latencies, ..measurement.end(&mut world).await? };
    fleet.verify(&world, fleet.objects + NEW_OBJECTS).await?;
    Ok(vec![row])
}

async fn sync_new_object(world: &World, fleet: Fleet, number: usize) -> Result<Duration> {
    world.aws.put(&fleet.parameter(number, 0), "value");
    let objects = world.api::<SecureParameter>();
    let started = Instant::now();
    fleet.create(world, number).await?;
    let synced = async {
        while !fleet::is_synced(&objects.get(&fleet::name(number)).await?) {
            tokio::time::sleep(READ_INTERVAL).await;
        }
        Ok(started.elapsed())
    };
    tokio::time::timeout(fleet.patience(), synced).await?
}

/// The time until one per cent of all Secrets have the values of rotated parameters.
pub async fn rotation() -> Result<Vec<Row>> {
    let fleet = Fleet::new(1000, 1);
    let mut world = fleet.synced().await?;
    let before = operator::value(world.operator(), "secret_writes_total").await?;
    let mut measurement = Measurement::begin(&mut world, "rotation of 10").await?;
    for number in (0..fleet.objects).step_by(100) {
        world.aws.put(&fleet.parameter(number, 0), "rotated");
    }
    let expected = before + fleet.objects / 100;
    let written = async || {
        let writes = operator::value(world.operator(), "secret_writes_total").await?;
        Ok((writes >= expected).then_some(()))
    };
    progress::until(world.operator(), "the Secrets to be written", fleet, written).await?;
    measurement.stop_clock_at(Instant::now());
    // Status and Event are written after the Secret.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let row = measurement.end(&mut world).await?;
    for number in (0..fleet.objects).step_by(100) {
        world.wait_for_secret(&fleet::name(number), &[("KEY_0", "rotated")]).await?;
    }
    Ok(vec![row])
}

/// Starts the operator and waits until all objects are in sync.
pub async fn start(world: &mut World, fleet: Fleet, name: &str) -> Result<Row> {
    let mut measurement = Measurement::begin(world, name).await?;
    measurement.launch(world)?;
    let end = progress::first_syncs(world, fleet, measurement.requests_before()).await?;
    measurement.stop_clock_at(end);
    let row = measurement.end(world).await?;
    fleet.verify(world, fleet.objects).await?;
    Ok(row)
}

/// Measures a time in which nothing changes.
async fn idle(world: &mut World, fleet: Fleet, name: &str, length: Duration) -> Result<Row> {
    progress::settled(world, fleet).await?;
    let measurement = Measurement::begin(world, name).await?;
    tokio::time::sleep(length).await;
    let row = measurement.end(world).await?;
    fleet.verify(world, fleet.objects).await?;
    Ok(row)
}
