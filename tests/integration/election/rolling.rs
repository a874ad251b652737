//! An upgrade, as the Deployment controller makes it with two replicas, `maxSurge: 1` and `maxUnavailable: 0`: an old pod is
//! ended once a new one is ready.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::SignedDuration;

use super::{load::Load, replicas::Replicas};

/// The longest time in which nobody may lead.
const GAP: SignedDuration = SignedDuration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_leaves_no_gap_of_more_than_2_seconds() -> Result<()> {
    let mut replicas = Replicas::new(&["--leader-elect"]).await?;
    let leader = replicas.start().await?;
    replicas.leads(&leader).await?;
    let mut old = vec![replicas.start().await?, leader];
    let load = Load::start(&replicas.world, 5, Duration::from_millis(100)).await?;
    let (mut new, mut stops) = (Vec::new(), Vec::new());
    // The leader goes first, which is the worst case.
    while let Some(pod) = old.pop() {
        new.push(replicas.start().await?);
        stops.push((pod.name.clone(), pod.signal("TERM")?));
        assert_eq!(pod.operator.ended().await?, 0, "{}", pod.operator.log()?);
    }
    load.settle(&replicas.world).await?;
    replicas.check_one_leader()?;

    let terms = replicas.terms();
    ensure!((2..=3).contains(&terms.len()), "{terms:?}");
    ensure!(new.iter().any(|pod| pod.name == terms[terms.len() - 1].by), "an old pod leads in the end: {terms:?}");
    for pair in terms.windows(2) {
        // A leader that was asked to stop does not begin anything new.
        let stopped = stops.iter().find(|(name, _)| *name == pair[0].by).map_or(pair[0].ended_at, |(_, at)| *at);
        let gap = pair[1].begun_at.duration_since(stopped);
        ensure!(gap <= GAP, "nobody led for {gap:?}: {terms:?}");
    }
    Ok(())
}
