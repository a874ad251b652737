//! What is measured while nothing goes wrong.

use std::time::{Duration, Instant};

use anyhow::Result;
use secure_parameter_operator::api::SecureParameter;
use testbed::wait::eventually;

use crate::{
    fleet::{self, Fleet, PATIENCE},
    operator,
    phase::{Phase, Row},
    support::World,
};

/// All scenarios and what they are, in the order in which they run.
pub const SCENARIOS: [(&str, &str); 11] = [
    ("raw", "no operator: one Secret, status and Event for 1,000 objects by a plain client, 64 at a time"),
    ("cold-start", "1,000 objects with one key each, quota opened"),
    ("ten-keys", "100 objects with ten keys each, quota opened"),
    ("shared", "100 objects with the same ten keys; then a minute of it"),
    ("steady", "1,000 objects at a one-minute interval for two minutes"),
    ("restart", "the operator starts again for 1,000 objects in sync"),
    ("new-object", "twenty new objects, one by one, while 2,000 refresh every ten seconds within 40 requests a second"),
    ("rotation", "1 % of 1,000 parameters change at once, at a one-minute interval"),
    ("broken", "5 % of 1,000 objects are denied or missing; then two minutes of it"),
    ("quota", "1,000 objects with one key in an account that throttles at 40/s, store allows 40/s"),
    ("overrun", "the same where others leave 5/s of it and the store allows 1,000/s"),
];
/// New objects whose way is measured.
const NEWCOMERS: usize = 20;
/// How often a new object is asked about.
const LOOK: Duration = Duration::from_millis(5);

/// From the operator's start until everything is in sync.
pub async fn cold_start(objects: usize, keys: usize) -> Result<Vec<Row>> {
    let name = if keys == 1 { "cold-start" } else { "ten-keys" };
    let fleet = Fleet::new(objects, keys);
    Ok(vec![start(&mut fleet.world().await?, fleet, name).await?])
}

/// The same for objects that share their parameters, and what a minute of them costs.
pub async fn shared() -> Result<Vec<Row>> {
    let fleet = Fleet { shared: true, ..Fleet::new(100, 10) };
    let mut world = fleet.world().await?;
    let start = start(&mut world, fleet, "shared").await?;
    Ok(vec![start, idle(&mut world, fleet, "shared, 1 min", Duration::from_mins(1)).await?])
}

/// What it costs when nothing happens.
pub async fn steady() -> Result<Vec<Row>> {
    let fleet = Fleet::new(1000, 1);
    let mut world = fleet.synced().await?;
    Ok(vec![idle(&mut world, fleet, "steady, 2 min", Duration::from_mins(2)).await?])
}

/// The operator starts over with everything in sync: until it has looked at every object.
pub async fn restart() -> Result<Vec<Row>> {
    let fleet = Fleet::new(1000, 1);
    let mut world = fleet.synced().await?;
    world.stop_operator()?;
    let mut phase = Phase::begin(&mut world, "restart").await?;
    phase.launch(&mut world).await?;
    fleet::reconciles(&world, fleet.objects).await?;
    let row = phase.end(&mut world).await?;
    fleet.verify(&world, fleet.objects).await?;
    Ok(vec![row])
}

/// How long a new object takes while all others are looked at all the time.
pub async fn new_object() -> Result<Vec<Row>> {
    let fleet = Fleet { interval: "10s", quota: 40, ..Fleet::new(2000, 1) };
    let mut world = fleet.synced().await?;
    // Into the middle of the refreshing.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let phase = Phase::begin(&mut world, "new-object x 20").await?;
    let mut latencies = Vec::new();
    for number in fleet.objects..fleet.objects + NEWCOMERS {
        latencies.push(newcomer(&world, fleet, number).await?.as_millis());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    latencies.sort_unstable();
    let row = Row { latencies_ms: latencies, ..phase.end(&mut world).await? };
    fleet.verify(&world, fleet.objects + NEWCOMERS).await?;
    Ok(vec![row])
}

async fn newcomer(world: &World, fleet: Fleet, number: usize) -> Result<Duration> {
    world.aws.put(&fleet.parameter(number, 0), "value");
    let objects = world.api::<SecureParameter>();
    let started = Instant::now();
    fleet.create(world, number).await?;
    let synced = async {
        while !fleet::is_synced(&objects.get(&fleet::name(number)).await?) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(started.elapsed())
    };
    tokio::time::timeout(PATIENCE, synced).await?
}

/// Until one per cent of all Secrets have followed their parameters.
pub async fn rotation() -> Result<Vec<Row>> {
    let fleet = Fleet::new(1000, 1);
    let mut world = fleet.synced().await?;
    let before = operator::total(&world, "secret_writes").await?;
    let mut phase = Phase::begin(&mut world, "rotation of 10").await?;
    for number in (0..fleet.objects).step_by(100) {
        world.aws.put(&fleet.parameter(number, 0), "rotated");
    }
    let written =
        async || Ok((operator::total(&world, "secret_writes").await? >= before + fleet.objects / 100).then_some(()));
    eventually("the Secrets to follow", PATIENCE, written).await?;
    phase.stop_clock();
    // Status and Event follow the Secret.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let row = phase.end(&mut world).await?;
    for number in (0..fleet.objects).step_by(100) {
        world.wait_for_secret(&fleet::name(number), &[("KEY_0", "rotated")]).await?;
    }
    Ok(vec![row])
}

/// Starts the operator and waits until all objects are in sync.
pub async fn start(world: &mut World, fleet: Fleet, name: &str) -> Result<Row> {
    let mut phase = Phase::begin(world, name).await?;
    phase.launch(world).await?;
    fleet::reasons(world, &[("Synced", fleet.objects)]).await?;
    let row = phase.end(world).await?;
    fleet.verify(world, fleet.objects).await?;
    Ok(row)
}

async fn idle(world: &mut World, fleet: Fleet, name: &str, length: Duration) -> Result<Row> {
    fleet::settled(world).await?;
    let phase = Phase::begin(world, name).await?;
    tokio::time::sleep(length).await;
    let row = phase.end(world).await?;
    fleet.verify(world, fleet.objects).await?;
    Ok(row)
}
