//! How long it takes until another one leads, by the clock of the Lease and by the records of AWS. These times are promises.

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;
use testbed::wait::eventually;

use super::replicas::{Replica, Replicas};
use crate::support::PATIENCE;

/// From the death of a leader without a word to the first work of the next one, with the default duration.
const AFTER_DEATH: SignedDuration = SignedDuration::from_secs(15);
/// The same after a clean stop.
const AFTER_STOP: SignedDuration = SignedDuration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_followed_within_15_seconds_and_a_stopped_one_within_2() -> Result<()> {
    let mut replicas = Replicas::new(&["--leader-elect"]).await?;
    replicas.world.aws.put("/shop/db", "first");
    let object = replicas.world.object("checkout", &[("DB", "/shop/db")], &json!({}));
    replicas.world.apply(&object).await?;
    let first = replicas.start().await?;
    replicas.leads(&first).await?;
    replicas.world.reported("checkout").await?;

    let second = replicas.start().await?;
    replicas.calls();
    let killed_at = first.signal("KILL")?;
    replicas.world.aws.put("/shop/db", "second");
    works_within(&mut replicas, &second, killed_at, AFTER_DEATH).await?;
    replicas.world.wait_for_secret("checkout", &[("DB", "second")]).await?;

    let third = replicas.start().await?;
    replicas.world.reported("checkout").await?;
    replicas.world.aws.put("/shop/db", "third");
    let stopped_at = second.signal("TERM")?;
    works_within(&mut replicas, &third, stopped_at, AFTER_STOP).await?;
    replicas.world.wait_for_secret("checkout", &[("DB", "third")]).await?;
    assert_eq!(second.operator.ended().await?, 0);
    ensure!(second.operator.log()?.contains("released the Lease"), "{}", second.operator.log()?);
    replicas.check_one_leader()
}

/// Waits until a replica leads and calls AWS, and checks that this was in time.
async fn works_within(replicas: &mut Replicas, next: &Replica, since: Timestamp, limit: SignedDuration) -> Result<()> {
    let leads_at = replicas.leads(next).await?;
    let called_at = eventually("its first call of AWS", PATIENCE, async || {
        Ok(replicas.calls().iter().find(|call| call.by == next.name).map(|call| call.arrived_at))
    })
    .await
    .with_context(|| next.operator.log().unwrap_or_default())?;
    for (what, at) in [("leads", leads_at), ("calls AWS", called_at)] {
        let after = at.duration_since(since);
        ensure!(after <= limit, "{} {what} after {after:?}, later than {limit:?}", next.name);
    }
    Ok(())
}
