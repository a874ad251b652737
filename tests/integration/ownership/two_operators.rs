//! Two operators that cannot notice each other, because their Leases are in two namespaces. `election::unelected` and
//! `election::shards` have those that can.

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use kube::runtime::{WatchStreamExt, watcher};
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;
use testbed::wait::eventually;

use crate::support::{Operator, PATIENCE, World, object, store};

const OBJECTS: usize = 3;
/// Checks of versions by both operators together during which writes are counted. Each checks every ten seconds.
const CHECKS: usize = 6;
/// Writes of one status that are fine: each operator reports the first sync in a few steps, and corrects the other one
/// three times at once and now and then afterwards.
const FEW: usize = 20;

#[tokio::test]
async fn two_operators_do_not_fight_over_a_status_without_end() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}}))).await?;
    world.start_operator().await?;
    let environment = world.aws.environment();
    // In the same namespace, the second one would write nothing.
    let arguments = ["--lease-namespace", world.namespace.as_str()];
    let second = Operator::start(world.plane.kubeconfig(), &environment, &arguments, world.plane.folder(), usize::MAX)?;
    second.ready().await?;

    let api = world.api::<SecureParameter>();
    let mut written = watcher(api, watcher::Config::default()).applied_objects().boxed();
    let mut writes = 0;
    let work = async {
        for n in 0..OBJECTS {
            world.aws.put(&format!("/shop/p{n}"), "value");
            world.apply(&object(&format!("object-{n}"), &[("KEY", &format!("/shop/p{n}"))], &json!({}))).await?;
        }
        for n in 0..OBJECTS {
            world.wait_for_secret(&format!("object-{n}"), &[("KEY", "value")]).await?;
        }
        let checks = world.aws.calls("GetParameters");
        eventually("both operators to check versions", PATIENCE, async || {
            Ok((world.aws.calls("GetParameters") >= checks + CHECKS).then_some(()))
        })
        .await
    };
    tokio::select! {
        result = work => result?,
        ended = async { loop { match written.try_next().await { Ok(Some(_)) => writes += 1, ended => return ended } } } => {
            anyhow::bail!("the watch ended: {ended:?}");
        }
    }
    assert!(writes <= OBJECTS * FEW, "{writes} writes of {OBJECTS} objects");
    let logs = [world.operator().log()?, second.log()?].concat();
    let told = logs.matches("somebody else keeps changing the status of a SecureParameter").count();
    assert!((1..=2 * OBJECTS).contains(&told), "told {told} times:\n{logs}");
    // Both go on to do their work, and news are written at once.
    world.aws.put("/shop/p0", "rotated");
    world.wait_for_secret("object-0", &[("KEY", "rotated")]).await?;
    Ok(())
}
