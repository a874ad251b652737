//! What a standby does: it is ready, and does nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::wait::eventually;

use super::{
    load::Load,
    replicas::{LEASE, Replicas, SYSTEM},
};
use crate::support::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_ready_and_neither_calls_aws_nor_writes() -> Result<()> {
    let mut replicas = Replicas::new(&["--leader-elect"]).await?;
    let leader = replicas.start().await?;
    replicas.leads(&leader).await?;
    let standby = replicas.start().await?;
    let load = Load::start(&replicas.world, 3, Duration::from_millis(50)).await?;
    // Long enough for several looks at the Lease.
    eventually("many changes to be written", PATIENCE, async || {
        let written = replicas.writes()?.iter().filter(|write| write.resource == "secrets").count();
        Ok((written >= 30).then_some(()))
    })
    .await?;
    load.settle(&replicas.world).await?;

    assert_eq!(standby.operator.get("/readyz").await?, (200, "ok\n".to_owned()));
    for (replica, leads) in [(&leader, "1"), (&standby, "0")] {
        assert_eq!(replica.metric("secureparameter_leader").await?.as_deref(), Some(leads), "{}", replica.name);
    }
    let calls: Vec<_> = replicas.calls().iter().filter(|call| call.by == standby.name).map(|c| &c.record).collect();
    ensure!(calls.is_empty(), "the standby called AWS: {calls:?}");
    ensure!(standby.operator.audit()?.is_empty(), "the standby has audit records");
    let writes = replicas.writes()?;
    ensure!(writes.iter().all(|write| write.user == leader.name), "the standby wrote: {writes:?}");
    let history = replicas.history();
    let mut held = history.iter().filter_map(|spec| spec.holder_identity.as_deref());
    ensure!(held.all(|holder| holder.starts_with(&leader.name)), "the Lease changed hands: {history:?}");
    Ok(())
}

/// The leader does not know that the Lease is gone until it renews it, so the standby must not take it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_somebody_deletes_stays_with_its_leader() -> Result<()> {
    let mut replicas = Replicas::new(&["--leader-elect"]).await?;
    let leader = replicas.start().await?;
    replicas.leads(&leader).await?;
    let _standby = replicas.start().await?;
    for _ in 0..3 {
        replicas.world.plane.kubectl(["delete", "lease", LEASE, "--namespace", SYSTEM]).await?;
        let known = replicas.history().len();
        eventually("the Lease to be written again", PATIENCE, async || {
            Ok((replicas.history().len() > known).then_some(()))
        })
        .await?;
    }
    let terms = replicas.terms();
    ensure!(terms.len() == 1, "it changed hands: {terms:?}");
    leader.operator.process().ensure_running()
}
