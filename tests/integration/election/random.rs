//! Takeovers of all kinds, one after the other, while objects change all the time: no change is lost, no workload is restarted
//! twice for one, and nobody writes who does not lead.
//!
//! A seed gives the same kinds in every run. `TAKEOVERS=1000 RANDOM_SEED=7 cargo test --test integration --
//! election::random::chosen --ignored --nocapture` makes more of them than the test below.

use std::{env, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::{
    load::Load,
    replicas::{Replica, Replicas, SHORT},
    restarts::Restarts,
};
use crate::random::rng::Rng;

/// Latency of AWS, so that leaders end in the midst of calls.
const LATENCY: Duration = Duration::from_millis(20);
/// Longest time, in milliseconds, for which a new leader is left alone, or a paused one stays so after its lease.
const PAUSE: u32 = 700;

/// How a leader ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Kubernetes asks it to.
    Stopped,
    /// Its node or its container dies.
    Killed,
    /// It is paused for longer than its lease, and resumed.
    Paused,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifteen_takeovers() -> Result<()> {
    run(1, 15).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a seed in RANDOM_SEED and a number in TAKEOVERS"]
async fn chosen() -> Result<()> {
    let number = |name: &str| -> Result<u64> { Ok(env::var(name).with_context(|| name.to_owned())?.parse()?) };
    run(number("RANDOM_SEED")?, number("TAKEOVERS")?).await
}

async fn run(seed: u64, takeovers: u64) -> Result<()> {
    let mut replicas = Replicas::new(SHORT).await?;
    replicas.world.aws.set_latency(LATENCY);
    let mut leader = replicas.start().await?;
    replicas.leads(&leader).await?;
    let load = Load::start(&replicas.world, 10, Duration::from_millis(40)).await?;
    let restarts = Restarts::start(&replicas.world).await?;
    let mut rng = Rng::new(seed);
    for number in 1..=takeovers {
        let next = replicas.start().await?;
        let end = rng.pick([End::Stopped, End::Killed, End::Paused]).context("a kind")?;
        take_over(&mut rng, &mut replicas, &leader, &next, end)
            .await
            .with_context(|| format!("seed {seed}, takeover {number}, {end:?}"))?;
        leader = next;
    }
    load.settle(&replicas.world).await?;
    restarts.settle(&replicas.world).await?;
    replicas.check_one_leader()
}

async fn take_over(rng: &mut Rng, replicas: &mut Replicas, leader: &Replica, next: &Replica, end: End) -> Result<()> {
    let mut pause = async || sleep(Duration::from_millis(rng.below(PAUSE).into())).await;
    pause().await;
    let (signal, status) = match end {
        End::Stopped => ("TERM", 0),
        End::Killed => ("KILL", 128 + 9),
        End::Paused => ("STOP", 1),
    };
    // On a machine that is busy enough, a leader loses a short lease by itself.
    let is_lost = || Ok::<_, anyhow::Error>(leader.operator.log()?.contains("does not lead any more"));
    let sent = leader.signal(signal);
    ensure!(sent.is_ok() || is_lost()?, "{sent:?}");
    replicas.leads(next).await?;
    if matches!(end, End::Paused) {
        pause().await;
        let sent = leader.signal("CONT");
        ensure!(sent.is_ok() || is_lost()?, "{sent:?}");
    }
    let ended = leader.operator.ended().await?;
    ensure!(ended == status || ended == 1 && is_lost()?, "{} ended with {ended} instead of {status}", leader.name);
    let log = leader.operator.log()?;
    ensure!(!log.contains("panicked"), "{log}");
    replicas.check_one_leader()
}
