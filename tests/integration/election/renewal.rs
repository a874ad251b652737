//! A leader that cannot renew its Lease, or whose reconciles hang, stops in time.

use std::{
    fs::File,
    io::{Read, Write},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::SignedDuration;
use testbed::wait::eventually;

use super::{
    load::Load,
    replicas::{Replicas, SHORT},
};
use crate::support::{PATIENCE, Proxy};

/// The API server, or the network before it, no longer answers requests for the Lease, and all others as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_cannot_renew_stops_within_its_lease() -> Result<()> {
    let mut replicas = Replicas::new(&["--leader-elect", "--lease-duration=3s"]).await?;
    let (name, token) = replicas.account().await?;
    let proxy = Proxy::with_token(&replicas.world.plane, &token).await?;
    let leader = replicas.launch_with(name, proxy.kubeconfig())?;
    replicas.leads(&leader).await?;
    let next = replicas.start().await?;
    let load = Load::start(&replicas.world, 5, Duration::from_millis(20)).await?;
    proxy.hold("/leases");
    replicas.leads(&next).await?;
    assert_eq!(leader.operator.ended().await?, 1);
    let log = leader.operator.log()?;
    ensure!(log.contains("the Lease could not be renewed in time"), "{log}");

    let renewed_at = replicas.terms()[0].ended_at;
    let writes = replicas.writes()?.iter().filter(|write| write.user == leader.name);
    let last = writes.map(|write| write.received_at).max().context("writes of the first leader")?;
    // It sends nothing in the last third of the lease, which is for what is still on its way.
    let after = last.duration_since(renewed_at);
    ensure!(after < SignedDuration::from_secs(3), "it wrote {after:?} after it had renewed its Lease last");
    load.settle(&replicas.world).await?;
    replicas.check_one_leader()
}

/// Nobody takes what the leader logs, so that its reconciles hang while the process as such runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_reconciles_hang_loses_its_lease() -> Result<()> {
    let filter = "--log-filter=info,secure_parameter_operator=debug";
    let mut replicas = Replicas::new(&[SHORT, &[filter]].concat()).await?;
    let pipe = replicas.next_log();
    ensure!(Command::new("mkfifo").arg(&pipe).status()?.success(), "no pipe");
    // Open for both, so that neither end waits for the other.
    let pipe = File::options().read(true).write(true).open(&pipe)?;
    let leader = replicas.start().await?;
    replicas.leads(&leader).await?;
    let next = replicas.start().await?;
    let load = Load::start(&replicas.world, 5, Duration::from_millis(10)).await?;
    replicas.leads(&next).await?;
    leader.operator.process().ensure_running()?;
    eventually("the next one to write", PATIENCE, async || {
        Ok(replicas.writes()?.iter().any(|write| write.user == next.name).then_some(()))
    })
    .await?;
    // Now it goes on with what it was about to write.
    let is_over = Arc::new(AtomicBool::default());
    let reader = thread::spawn(drain(pipe.try_clone()?, is_over.clone()));
    assert_eq!(leader.operator.ended().await?, 1);
    load.settle(&replicas.world).await?;
    is_over.store(true, Ordering::Relaxed);
    (&pipe).write_all(b"\n")?;
    ensure!(reader.join().is_ok_and(|read| read.is_ok()), "the log could not be read");
    replicas.check_one_leader()
}

/// Reads a pipe until it is over and something more arrives.
fn drain(mut pipe: File, is_over: Arc<AtomicBool>) -> impl FnOnce() -> Result<()> {
    move || {
        let mut buffer = vec![0; 65_536];
        while !is_over.load(Ordering::Relaxed) {
            let _ = pipe.read(&mut buffer)?;
        }
        Ok(())
    }
}
