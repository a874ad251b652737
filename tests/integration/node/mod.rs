//! The chart on a real node: the image of a release in Pods that a kubelet starts, probes, replaces and restarts.

mod commands;
mod world;

use anyhow::Result;
use testbed::wait::eventually;

use self::world::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root, the image of a release in IMAGE_ARCHIVE, and builds a kubelet and containerd; cargo xtask verify runs it"]
async fn the_chart_runs_as_pods_that_are_replaced_and_killed() -> Result<()> {
    let world = World::start().await?;
    world.install(&[]).await?;
    world.secret_holds("first").await?;
    let leader = world.leader().await?;

    world.rotate("second").await?;
    world.workload_is_rolled(2).await?;

    world.install(&["--set=podAnnotations.update=one"]).await?;
    let next = world.leader().await?;
    assert_ne!(next, leader, "a rolling update replaces both Pods");
    world.rotate("third").await?;
    // A restart that is still to come would become one with the next.
    world.workload_is_rolled(3).await?;

    world.kill(&next)?;
    let after = eventually("another Pod to lead", PATIENCE, async || {
        let leader = world.leader().await?;
        Ok((leader != next).then_some(leader))
    })
    .await?;
    world.rotate("fourth").await?;
    assert_ne!(after, next);
    world.is_restarted(&next).await?;
    world.workload_is_rolled(4).await
}
