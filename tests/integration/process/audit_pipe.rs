//! The audit stream as a pipe: a reader that takes nothing, and one that has gone.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::Command,
    sync::mpsc,
    thread,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, Page, World, object};

/// More than a pipe and the queue hold, at two records for each object and more than a kilobyte together.
const OBJECTS: usize = 120;
/// The smallest queue.
const ARGUMENTS: [&str; 2] = ["--audit-queue", "16"];

/// Starts an operator whose standard output is a pipe. Returns the world and the end from which to read.
async fn with_pipe() -> Result<(World, File)> {
    let mut world = World::without_operator().await?;
    world.set_arguments(&ARGUMENTS);
    let pipe = world.plane.folder().join("audit-1");
    ensure!(Command::new("mkfifo").arg(&pipe).status()?.success(), "no pipe");
    // Open for both, so that neither end waits for the other.
    let reader = File::options().read(true).write(true).open(&pipe)?;
    world.start_operator().await?;
    Ok((world, reader))
}

async fn lost(world: &World) -> Result<f64> {
    let page = Page::parse(&world.operator().get("/metrics").await?.1)?;
    page.value("secureparameter_audit_records_lost_total", &[]).context("no metric")
}

/// Creates objects, waits until they are in sync, and deletes nothing.
async fn create(world: &World) -> Result<()> {
    let mut objects = Vec::new();
    for number in 0..OBJECTS {
        world.aws.put(&format!("/shop/db-{number}"), "value");
        objects.push(object(&format!("object-{number}"), &[("DB", &format!("/shop/db-{number}"))], &json!({})));
    }
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects})).await?;
    for number in 0..OBJECTS {
        world.synced(&format!("object-{number}")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_that_takes_nothing_delays_reads_and_stops_nothing() -> Result<()> {
    let (world, reader) = with_pipe().await?;
    create(&world).await?;
    assert_eq!(world.operator().get("/healthz").await?, (200, "ok\n".to_owned()));
    let lost_before = lost(&world).await?;
    assert!(lost_before > 0.0, "all records found room");
    let warnings = world.operator().log()?.matches("audit records are being lost").count();
    assert_eq!(warnings, 1, "once for each gap: {}", world.operator().log()?);
    // Read in a thread that is never joined: the pipe has no end.
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut records = Vec::new();
    let gap = eventually("the gap to be announced", PATIENCE, async || {
        for line in lines.try_iter() {
            records.push(serde_json::from_str::<Value>(&line).with_context(|| format!("not JSON: {line}"))?);
        }
        Ok(records.iter().find(|record| record["recordsLost"].is_object()).cloned())
    })
    .await?;
    assert_eq!(gap["schema"], "secureparameter.io/audit/v1");
    assert_eq!(gap["recordsLost"]["count"].as_f64(), Some(lost_before), "{gap}");
    for time in ["since", "until"] {
        assert!(gap["recordsLost"][time].is_string(), "{gap}");
    }
    assert!(records.len() > 10, "what found room is written: {records:?}");
    Ok(())
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_nothing() -> Result<()> {
    let (mut world, reader) = with_pipe().await?;
    drop(reader);
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    eventually("lost records to be counted", PATIENCE, async || Ok((lost(&world).await? > 0.0).then_some(()))).await?;
    let log = world.stop_operator()?.log()?;
    assert!(log.contains("audit records are being lost: standard output cannot be written"), "{log}");
    Ok(())
}
