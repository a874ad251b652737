//! The end of the process: the operator stops in time, also while AWS does not respond.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{fake_aws::Fault, wait::eventually};

use crate::support::{Operator, PATIENCE, World, object};

/// Longest time from a signal to the end. Kubernetes grants 30 seconds by default.
const GRACE: Duration = Duration::from_secs(20);

/// A world with an object in sync.
async fn world() -> Result<World> {
    let world = World::start().await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    Ok(world)
}

#[tokio::test]
async fn signals_end_the_operator_with_success() -> Result<()> {
    let mut world = world().await?;
    for signal in ["TERM", "INT"] {
        check_log(&*stop(&mut world, signal)?)?;
        world.start_operator().await?;
    }
    Ok(())
}

/// A hanging call of the informer, for which no object waits, and one for which an object waits.
#[tokio::test]
async fn calls_that_hang_at_the_end_are_recorded() -> Result<()> {
    let mut world = world().await?;
    stop(&mut world, "TERM")?;
    world.aws.fault("GetParameters", Fault::Hang, usize::MAX);
    let before = world.aws.calls("GetParameters");
    world.launch_operator()?;
    arrives(&world, "GetParameters", before + 1).await?;
    check_unanswered(&*stop(&mut world, "TERM")?, "VersionCheck")?;
    world.aws.clear_faults();
    let before = world.aws.calls("GetParameters");
    world.start_operator().await?;
    // The look that every start begins with must not be the call that hangs.
    arrives(&world, "GetParameters", before + 1).await?;
    hang(&world, "GetParameters").await?;
    check_unanswered(&*stop(&mut world, "TERM")?, "ForcedSync")
}

#[tokio::test]
async fn a_store_whose_identity_is_not_known_yet_does_not_delay_the_end() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.aws.fault("GetCallerIdentity", Fault::Hang, usize::MAX);
    let before = world.aws.calls("GetCallerIdentity");
    world.launch_operator()?;
    arrives(&world, "GetCallerIdentity", before + 1).await?;
    check_log(&*stop(&mut world, "TERM")?)
}

#[tokio::test]
async fn a_second_signal_ends_the_operator_at_once() -> Result<()> {
    let mut world = World::start().await?;
    world.set_arguments(&["--log-format", "text"]);
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    world.stop_operator()?;
    world.start_operator().await?;
    hang(&world, "GetParameters").await?;
    let operator = world.operator.take().context("no operator")?;
    operator.process().signal("TERM")?;
    eventually("the first signal to be logged", PATIENCE, async || {
        Ok(operator.log()?.contains("stopping").then_some(()))
    })
    .await?;
    operator.process().signal("TERM")?;
    assert_eq!(operator.process().wait(GRACE)?.code(), Some(1));
    let log = operator.log()?;
    assert!(log.contains(" INFO ") && !log.contains('\u{1b}'), "not text without colours: {log}");
    Ok(())
}

/// Makes calls of an operation hang, and waits for the first of them.
async fn hang(world: &World, operation: &str) -> Result<()> {
    world.aws.fault(operation, Fault::Hang, usize::MAX);
    // Counted after that, so that the next call hangs.
    let before = world.aws.calls(operation);
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

/// Stops the operator, which must end in time and with success.
fn stop(world: &mut World, signal: &str) -> Result<Arc<Operator>> {
    let operator = world.operator.take().context("no operator")?;
    operator.process().signal(signal)?;
    let ended = operator.process().wait(GRACE);
    let status = ended.with_context(|| operator.log().unwrap_or_default())?;
    assert!(status.success(), "the operator ended with {status}");
    Ok(operator)
}

/// Checks that a call without a response is recorded.
fn check_unanswered(operator: &Operator, purpose: &str) -> Result<()> {
    check_log(operator)?;
    let audit = operator.audit()?;
    let mut unanswered = audit.iter().filter(|record| record["answered"] == false);
    let is_meant = |record: &Value| {
        record["cloudtrail"]["eventName"] == "GetParameters" && record["objects"][0]["reason"] == purpose
    };
    assert!(unanswered.any(is_meant), "the hanging call for {purpose} is not recorded: {audit:?}");
    Ok(())
}

/// Checks that every line of the log is a JSON object with the basic fields.
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
