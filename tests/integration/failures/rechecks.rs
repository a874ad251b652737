//! What fails is looked at again at its interval, and not whenever something moves nearby.

use anyhow::Result;
use serde_json::json;
use testbed::wait::eventually;

use super::{annotate, calls, fails, reads};
use crate::support::{PATIENCE, World, object};

/// How often the healthy object is looked at while the others are counted.
const LOOKS: usize = 2;

/// Failing objects do not hammer AWS.
pub async fn are_bounded(world: &World) -> Result<()> {
    world.aws.put("/shop/healthy", "value");
    world.aws.put("/shop/forbidden", "value");
    world.aws.deny("ssm:GetParameters", &world.aws.parameter_arn("/shop/forbidden"));
    let version = json!([{"key": "A", "parameter": "/shop/healthy", "version": 9}]);
    world.apply(&object("absent", &[("A", "/shop/absent")], &json!({}))).await?;
    world.apply(&object("versionless", &[], &json!({"data": version}))).await?;
    world.apply(&object("forbidden", &[("A", "/shop/forbidden")], &json!({}))).await?;
    world.apply(&object("healthy", &[("A", "/shop/healthy")], &json!({}))).await?;
    fails(world, "absent", "ParameterNotFound", "Stalled", &[]).await?;
    fails(world, "versionless", "VersionNotFound", "Stalled", &[]).await?;
    fails(world, "forbidden", "AccessDenied", "Stalled", &[]).await?;
    world.synced("healthy").await?;

    // The healthy object is the clock: it is looked at once an interval too.
    let failing = [("absent", 1), ("versionless", 2), ("forbidden", 1)];
    let count = |name: &str| anyhow::Ok(reads(&calls(world, name)?));
    let start = count("healthy")?;
    let before = failing.iter().map(|(name, _)| count(name)).collect::<Result<Vec<_>>>()?;
    for look in 1..=LOOKS {
        for (name, _) in failing {
            annotate(world, name, "example.com/note", &look.to_string()).await?;
        }
        world.plane.kubectl(["label", "--overwrite", "namespace", "shop", &format!("look={look}")]).await?;
        let looked = async || Ok((count("healthy")? >= start + look).then_some(()));
        eventually("the next look at the healthy object", PATIENCE, looked).await?;
    }
    for ((name, calls_a_look), before) in failing.into_iter().zip(before) {
        let looks = (count(name)? - before).div_ceil(calls_a_look);
        assert!((1..=LOOKS + 2).contains(&looks), "{name} was looked at {looks} times in {LOOKS} intervals");
    }
    Ok(())
}
