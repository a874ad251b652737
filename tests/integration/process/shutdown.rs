//! The end: asked to stop, the operator finishes what it is at, also where AWS does not answer.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{fake_aws::Fault, wait::eventually};

use crate::support::{Operator, PATIENCE, World, object};

/// A little less than what Kubernetes grants by default.
const GRACE: Duration = Duration::from_secs(20);

// AWS has a thread of its own: it takes calls also while the test waits for the end.
#[tokio::test(flavor = "multi_thread")]
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
    // While the informer looks, which nothing else waits for.
    stop(&mut world, "TERM")?;
    world.aws.fault("GetParameters", Fault::Hang, usize::MAX);
    let before = world.aws.calls("GetParameters");
    world.launch_operator()?;
    arrives(&world, "GetParameters", before + 1).await?;
    check_unanswered(&stop(&mut world, "TERM")?, "VersionCheck")?;
    world.aws.clear_faults();
    // While a read of an object hangs.
    world.start_operator().await?;
    hang(&world, "GetParameters").await?;
    check_unanswered(&stop(&mut world, "TERM")?, "ForcedSync")?;
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
    world.aws.fault(operation, Fault::Hang, usize::MAX);
    // Counted after that, so that one more is one that hangs.
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

/// Stops the operator, which must end with success in time.
fn stop(world: &mut World, signal: &str) -> Result<Operator> {
    let mut operator = world.operator.take().context("no operator")?;
    operator.process().signal(signal)?;
    let ended = operator.process().wait(GRACE);
    let status = ended.with_context(|| operator.log().unwrap_or_default())?;
    assert!(status.success(), "the operator ended with {status}");
    Ok(operator)
}

/// A call that was under way has its record.
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
