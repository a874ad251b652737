//! A leader that was paused past its lease, and resumed: nothing that it had begun to write or to decrypt is sent any more.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::wait::eventually;

use super::{
    load::Load,
    replicas::{Replica, Replicas, SHORT},
};
use crate::support::PATIENCE;

/// Pauses, each at another moment.
const ROUNDS: usize = 4;
/// So that calls are under way at any moment.
const LATENCY: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_past_its_lease_sends_nothing_when_it_is_resumed() -> Result<()> {
    let mut replicas = Replicas::new(SHORT).await?;
    replicas.world.aws.set_latency(LATENCY);
    let mut leader = replicas.start().await?;
    replicas.leads(&leader).await?;
    let load = Load::start(&replicas.world, 20, Duration::from_millis(10)).await?;
    for _ in 0..ROUNDS {
        let next = replicas.start().await?;
        has_written(&mut replicas, &leader, 10).await?;
        leader.signal("STOP")?;
        let leads_at = replicas.leads(&next).await?;
        has_written(&mut replicas, &next, 5).await?;
        let resumed_at = leader.signal("CONT")?;
        ensure!(leads_at < resumed_at, "it was resumed before another one led");
        assert_eq!(leader.operator.ended().await?, 1, "{}", leader.operator.log()?);
        let log = leader.operator.log()?;
        ensure!(log.contains("The operator does not hold its Lease any more"), "{log}");
        replicas.check_one_leader()?;
        leader = next;
    }
    load.settle(&replicas.world).await?;
    replicas.check_one_leader()
}

/// Waits until a replica has written so many Secrets since the last check.
async fn has_written(replicas: &mut Replicas, replica: &Replica, secrets: usize) -> Result<()> {
    eventually(&format!("{} to write", replica.name), PATIENCE, async || {
        let writes = replicas.writes()?.iter();
        let written = writes.filter(|write| write.user == replica.name && write.resource == "secrets").count();
        Ok((written >= secrets).then_some(()))
    })
    .await
}
