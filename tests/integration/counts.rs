//! Exact numbers of AWS calls and of writes to Kubernetes, for objects that share one refresh interval.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object, store};

/// A world with a high quota and the latency of a real AWS.
async fn world() -> Result<World> {
    let world = World::without_operator().await?;
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}}))).await?;
    world.aws.set_latency(Duration::from_millis(100));
    Ok(world)
}

async fn apply(world: &World, objects: Vec<Value>) -> Result<()> {
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects})).await
}

/// A call of `GetParameters`.
struct Read {
    names: Vec<String>,
    decrypts: bool,
}

fn reads(world: &World) -> Result<Vec<Read>> {
    let records = world.aws.records().into_iter().filter(|record| record["eventName"] == "GetParameters");
    let read = |record: Value| {
        let parameters = &record["requestParameters"];
        Ok(Read {
            names: serde_json::from_value(parameters["names"].clone())?,
            decrypts: parameters["withDecryption"] == true,
        })
    };
    records.map(read).collect()
}

/// Waits until a name was read `times` more. Returns the number of calls from each read to the next.
async fn calls_between_reads(world: &World, name: &str, times: usize) -> Result<Vec<usize>> {
    world.aws.clear_records();
    eventually("enough intervals to pass", PATIENCE, async || {
        let seen = reads(world)?.iter().filter(|read| read.names.iter().any(|asked| asked == name)).count();
        Ok((seen > times).then_some(()))
    })
    .await?;
    Ok(between(&reads(world)?, name).into_iter().take(times).collect())
}

/// The number of calls from each read of a name to the next.
fn between(reads: &[Read], name: &str) -> Vec<usize> {
    let at: Vec<_> = (0..reads.len()).filter(|index| reads[*index].names.iter().any(|asked| asked == name)).collect();
    at.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test]
async fn an_interval_costs_one_call_for_ten_names() -> Result<()> {
    let mut world = world().await?;
    let objects = (0..200).map(|number| {
        let parameter = format!("/shop/p{}", number % 40);
        world.aws.put(&parameter, "value");
        object(&format!("object-{number}"), &[("KEY", &parameter)], &json!({}))
    });
    apply(&world, objects.collect()).await?;
    world.start_operator().await?;
    world.settled().await?;
    let (before, decrypts) = (world.versions().await?, world.aws.decrypts());
    let calls = calls_between_reads(&world, "/shop/p0", 3).await?;
    assert_eq!(calls, [4, 4, 4], "40 names are four calls an interval");
    assert_eq!(world.aws.decrypts(), 0, "the records were cleared; before that {decrypts}");
    assert_eq!(before, world.versions().await?, "nothing is written");
    Ok(())
}

#[tokio::test]
async fn a_first_sync_needs_no_version_check() -> Result<()> {
    let mut world = world().await?;
    let objects = (0..5).map(|number| {
        let names: Vec<_> = (0..5).map(|key| format!("/shop/{number}/{key}")).collect();
        for name in &names {
            world.aws.put(name, "value");
        }
        let data: Vec<_> = names.iter().map(|name| json!({"key": name.replace('/', "_"), "parameter": name})).collect();
        object(&format!("object-{number}"), &[], &json!({"data": data, "refreshInterval": "1h"}))
    });
    apply(&world, objects.collect()).await?;
    world.start_operator().await?;
    world.settled().await?;
    let reads = reads(&world)?;
    assert!(reads.iter().all(|read| read.decrypts), "the first read decrypts");
    assert_eq!(world.aws.decrypts(), 25);
    Ok(())
}

#[tokio::test]
async fn a_rotation_decrypts_only_the_objects_that_read_the_parameter() -> Result<()> {
    let mut world = world().await?;
    let names: Vec<_> = (0..10).map(|number| format!("/shop/shared/{number}")).collect();
    for name in &names {
        world.aws.put(name, "first");
    }
    let data: Vec<_> =
        names.iter().enumerate().map(|(n, name)| json!({"key": format!("K{n}"), "parameter": name})).collect();
    let objects: Vec<_> =
        (0..100).map(|number| object(&format!("object-{number}"), &[], &json!({"data": data}))).collect();
    apply(&world, objects).await?;
    world.start_operator().await?;
    world.settled().await?;
    let calls = calls_between_reads(&world, "/shop/shared/0", 2).await?;
    assert_eq!(calls, [1, 1], "one call for ten names, for any number of objects");

    // All objects ask while the first call lasts, also on a slow machine.
    world.aws.set_latency(Duration::from_secs(2));
    world.aws.clear_records();
    world.aws.put("/shop/shared/3", "second");
    eventually("all Secrets to have the new value", PATIENCE, async || {
        for number in [0, 50, 99] {
            let secret = world.secret(&format!("object-{number}")).await?.context("a Secret")?;
            if secret["K3"] != "second" {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    world.settled().await?;
    let mut decrypting = BTreeMap::new();
    for read in reads(&world)?.into_iter().filter(|read| read.decrypts) {
        *decrypting.entry(read.names.len()).or_insert(0) += 1;
    }
    assert_eq!(decrypting, BTreeMap::from([(10, 1)]), "calls by their number of names");
    assert_eq!(world.aws.decrypts(), 10);
    Ok(())
}

#[tokio::test]
async fn a_denied_name_costs_only_its_own_call() -> Result<()> {
    let mut world = world().await?;
    let objects = (0..100).map(|number| {
        let parameter = format!("/shop/p{number}");
        world.aws.put(&parameter, "value");
        object(&format!("object-{number}"), &[("KEY", &parameter)], &json!({}))
    });
    let objects = objects.collect();
    world.aws.deny("ssm:GetParameters", &world.aws.parameter_arn("/shop/p42"));
    apply(&world, objects).await?;
    world.start_operator().await?;
    world.wait_for("object-42", "False", "AccessDenied").await?;
    for number in (0..100).filter(|number| *number != 42) {
        world.synced(&format!("object-{number}")).await?;
    }
    // The denial may have been found in the first interval only.
    calls_between_reads(&world, "/shop/p0", 1).await?;
    calls_between_reads(&world, "/shop/p0", 2).await?;
    let (denied, others): (Vec<_>, Vec<_>) =
        reads(&world)?.into_iter().partition(|read| read.names.iter().any(|name| name == "/shop/p42"));
    assert_eq!(between(&others, "/shop/p0")[..2], [10, 10], "the other names are not affected");
    assert!(denied.iter().all(|read| read.names.len() == 1), "it is read alone");
    assert!((1..=3).contains(&denied.len()), "once an interval, not {} times", denied.len());
    assert_eq!(world.aws.decrypts(), 0);
    Ok(())
}
