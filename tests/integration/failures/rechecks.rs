//! Failing objects are read again at their interval, and not whenever something else changes.

use anyhow::Result;
use serde_json::json;
use testbed::wait::eventually;

use crate::support::{Group, PATIENCE, World, annotate, calls, fails, reads};

/// Number of intervals of the measurement.
const INTERVALS: usize = 2;

#[tokio::test]
async fn failing_objects_are_read_once_an_interval() -> Result<()> {
    let world = &World::shared(Group::Failures, "rechecks").await?;
    world.aws.put("/rechecks/healthy", "value");
    world.aws.put("/rechecks/forbidden", "value");
    world.aws.deny("ssm:GetParameters", &world.aws.parameter_arn("/rechecks/forbidden"));
    let version = json!([{"key": "A", "parameter": "/rechecks/healthy", "version": 9}]);
    world.apply(&world.object("absent", &[("A", "/rechecks/absent")], &json!({}))).await?;
    world.apply(&world.object("versionless", &[], &json!({"data": version}))).await?;
    world.apply(&world.object("forbidden", &[("A", "/rechecks/forbidden")], &json!({}))).await?;
    world.apply(&world.object("healthy", &[("A", "/rechecks/healthy")], &json!({}))).await?;
    fails(world, "absent", "ParameterNotFound", "Stalled", &[]).await?;
    fails(world, "versionless", "VersionNotFound", "Stalled", &[]).await?;
    fails(world, "forbidden", "AccessDenied", "Stalled", &[]).await?;
    world.synced("healthy").await?;

    // The healthy object is the clock, because it is read once an interval too.
    let failing = [("absent", 1), ("versionless", 2), ("forbidden", 1)];
    let count = |name: &str| anyhow::Ok(reads(&calls(world, name)?));
    let start = count("healthy")?;
    let before = failing.iter().map(|(name, _)| count(name)).collect::<Result<Vec<_>>>()?;
    for interval in 1..=INTERVALS {
        for (name, _) in failing {
            annotate(world, name, "example.com/note", &interval.to_string()).await?;
        }
        world.plane.kubectl(["label", "--overwrite", "namespace", "rechecks", &format!("interval={interval}")]).await?;
        let is_read = async || Ok((count("healthy")? >= start + interval).then_some(()));
        eventually("the next read of the healthy object", PATIENCE, is_read).await?;
    }
    for ((name, calls_per_read), before) in failing.into_iter().zip(before) {
        let reads = (count(name)? - before).div_ceil(calls_per_read);
        assert!((1..=INTERVALS + 2).contains(&reads), "{name} was read {reads} times in {INTERVALS} intervals");
    }
    Ok(())
}
