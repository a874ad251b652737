//! The end: asked to stop, the operator finishes what it is at, also where AWS does not answer.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{fake_aws::Fault, wait::eventually};

use crate::support::{Operator, PATIENCE, World, object};

/// Half of what Kubernetes grants by default.
const GRACE: Duration = Duration::from_secs(15);

#[tokio::test]
async fn asked_to_stop_it_ends_cleanly() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    for signal in ["TERM", "INT"] {
        let operator = stop(&mut world, signal)?;
        check_log(&operator)?;
        world.start_operator().await?;
    }
    // While a read of an object hangs.
    hang(&world, "GetParameters").await?;
    let operator = stop(&mut world, "TERM")?;
    check_log(&operator)?;
    let audit = operator.audit()?;
    let unanswered =
        audit.iter().find(|record| record["answered"] == false).context("the hanging call is not recorded")?;
    assert_eq!(unanswered["cloudtrail"]["eventName"], "GetParameters");
    // While a store cannot even learn who it is.
    world.aws.clear_faults();
    world.aws.fault("GetCallerIdentity", Fault::Hang, usize::MAX);
    let before = world.aws.calls("GetCallerIdentity");
    world.launch_operator()?;
    arrives(&world, "GetCallerIdentity", before + 1).await?;
    check_log(&stop(&mut world, "TERM")?)?;
    Ok(())
}

#[tokio::test]
async fn asked_twice_it_ends_at_once() -> Result<()> {
    let mut world = World::start().await?;
    world.set_arguments(&["--log-format", "text"]);
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    world.stop_operator()?;
    world.start_operator().await?;
    hang(&world, "GetParameters").await?;
    let mut operator = world.operator.take().context("no operator")?;
    operator.process().signal("TERM")?;
    eventually("the first signal to be taken", PATIENCE, async || {
        Ok(operator.log()?.contains("stopping").then_some(()))
    })
    .await?;
    operator.process().signal("TERM")?;
    assert_eq!(operator.process().wait(GRACE)?.code(), Some(1));
    let log = operator.log()?;
    assert!(log.contains(" INFO ") && !log.contains('\u{1b}'), "text without colours: {log}");
    Ok(())
}

/// Lets calls of an operation hang, and waits for the first that does.
async fn hang(world: &World, operation: &str) -> Result<()> {
    let before = world.aws.calls(operation);
    world.aws.fault(operation, Fault::Hang, usize::MAX);
    let annotation = "secureparameter.io/sync=now";
    world.plane.kubectl(["annotate", "--namespace", "shop", "secureparameter", "checkout", annotation]).await?;
    arrives(world, operation, before + 1).await
}

async fn arrives(world: &World, operation: &str, calls: usize) -> Result<()> {
    eventually(&format!("{operation} to arrive"), PATIENCE, async || {
        Ok((world.aws.calls(operation) >= calls).then_some(()))
    })
    .await
}

/// Stops the operator, which must end with success in time.
fn stop(world: &mut World, signal: &str) -> Result<Operator> {
    let mut operator = world.operator.take().context("no operator")?;
    operator.process().signal(signal)?;
    let ended = operator.process().wait(GRACE);
    let status = ended.with_context(|| operator.log().unwrap_or_default())?;
    assert!(status.success(), "the operator ended with {status}");
    Ok(operator)
}

/// Every line is an object with the same basic fields.
fn check_log(operator: &Operator) -> Result<()> {
    let log = operator.log()?;
    assert!(log.lines().count() >= 2, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "no {field} in {line}");
        }
    }
    Ok(())
}
