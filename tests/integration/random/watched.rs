//! Nothing is asked of AWS that nobody wants.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World};

use super::model::{Model, Wanted};

/// More than the `refreshInterval` of the objects, so that a name or path that is still watched would be asked for.
const QUIET: Duration = Duration::from_secs(12);

/// Checks that exactly the names and paths that the model wants are watched.
pub async fn check_watched(world: &World, model: &Model) -> Result<()> {
    let Wanted { names, listed, paths } = model.wanted();
    let meant = (names.len() + listed.len(), paths.len());
    eventually("the gauges to count what is wanted", PATIENCE, async || {
        let seen = (gauge(world, "watched_parameters").await?, gauge(world, "watched_paths").await?);
        ensure!(seen == meant, "{seen:?} names and paths instead of {meant:?}: {:?}", model.wanted());
        Ok(Some(()))
    })
    .await?;
    // Each is asked for twice: whatever else has the same interval is asked for in between.
    world.aws.clear_records();
    let mut lacking = Vec::new();
    let asking = eventually("all names and paths to be asked for twice", PATIENCE, async || {
        let seen = asked(world);
        let count = |name: &String| seen.iter().filter(|asked| *asked == name).count();
        lacking = names.iter().chain(&paths).filter(|name| count(name) < 2).cloned().collect();
        Ok(lacking.is_empty().then_some(()))
    });
    asking.await.with_context(|| format!("{lacking:?} are wanted in {:?}, but not asked for", model.objects))?;
    let allowed: BTreeSet<_> = names.iter().chain(&listed).chain(&paths).cloned().collect();
    let unwanted: BTreeSet<_> = asked(world).into_iter().filter(|name| !allowed.contains(name)).collect();
    ensure!(unwanted.is_empty(), "the operator asks for {unwanted:?}, which nobody wants; wanted: {allowed:?}");
    Ok(())
}

/// Checks that nothing is watched, and that no call is made for longer than a refresh interval.
pub async fn check_silence(world: &World) -> Result<()> {
    for what in ["watched_parameters", "watched_paths"] {
        eventually(what, PATIENCE, async || Ok((gauge(world, what).await? == 0).then_some(()))).await?;
    }
    let mut last = Vec::new();
    let silent = eventually("the operator to ask for nothing", QUIET * 3, async || {
        world.aws.clear_records();
        // Silence takes time.
        tokio::time::sleep(QUIET).await;
        last = asked(world);
        last.extend((world.aws.calls("DescribeParameters") > 0).then(|| "DescribeParameters".to_owned()));
        Ok(last.is_empty().then_some(()))
    });
    silent.await.with_context(|| format!("asked for {last:?}"))
}

/// Names and paths that were asked for since the records were cleared, once for each call.
fn asked(world: &World) -> Vec<String> {
    let mut asked = Vec::new();
    for record in world.aws.records().iter().filter(|record| record["eventSource"] == "ssm.amazonaws.com") {
        let parameters = &record["requestParameters"];
        let names = parameters["names"].as_array().into_iter().flatten().chain([&parameters["path"]]);
        asked.extend(names.filter_map(|name| name.as_str()).map(str::to_owned));
    }
    asked
}

/// One of the operator's gauges.
async fn gauge(world: &World, name: &str) -> Result<usize> {
    let (_, text) = world.operator().get("/metrics").await?;
    let prefix = format!("secureparameter_{name} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&prefix)).with_context(|| format!("no gauge {name}"))?;
    Ok(value.trim().parse()?)
}
