//! Connections to the API server: one where it offers HTTP/2, and none that is dead without notice.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::json;
use testbed::wait::eventually;

use crate::support::{Link, Operator, PATIENCE, World};

/// Longest time from a silent loss of all connections to the first effect of a change.
const RECOVERY: Duration = Duration::from_secs(30);

/// Connections of an operator that works: one for all watches and requests, and one for its Lease, which does not wait for them.
const CONNECTIONS: usize = 2;

/// A world whose operator is ready and reaches the API server through a link.
async fn linked(api_server: &[&str], operator: &[&str]) -> Result<(World, Link)> {
    let world = World::with_api_server(api_server).await?;
    let link = Link::start(&world.plane).await?;
    through(world, link, operator).await
}

async fn through(mut world: World, link: Link, operator: &[&str]) -> Result<(World, Link)> {
    let (environment, folder) = (world.aws.environment(), world.plane.folder());
    world.operator = Some(Arc::new(Operator::start(link.kubeconfig(), &environment, operator, folder, 1)?));
    world.operator().ready().await?;
    Ok((world, link))
}

/// Creates an object, and waits until its Secret and its status are written.
async fn sync(world: &World, name: &str) -> Result<()> {
    create(world, name).await?;
    world.synced(name).await.map(drop)
}

async fn create(world: &World, name: &str) -> Result<()> {
    create_all(world, &[name.to_owned()]).await
}

/// Creates objects all at once.
async fn create_all(world: &World, names: &[String]) -> Result<()> {
    let object = |name: &String| {
        world.aws.put(&world.path(name), "value");
        world.object(name, &[("KEY", &world.path(name))], &json!({}))
    };
    let objects: Vec<_> = names.iter().map(object).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects})).await
}

#[tokio::test]
async fn one_connection_carries_all_watches_and_requests() -> Result<()> {
    let (world, link) = linked(&[], &[]).await?;
    // Those that raced for the first connection have ended.
    eventually("two connections to remain", PATIENCE, async || Ok((link.open() == CONNECTIONS).then_some(()))).await?;
    let before = link.opened();
    let names: Vec<_> = (0..40).map(|number| format!("object-{number}")).collect();
    create_all(&world, &names).await?;
    for name in &names {
        world.synced(name).await?;
    }
    assert_eq!((link.open(), link.opened()), (CONNECTIONS, before), "open connections, and all so far");
    Ok(())
}

#[tokio::test]
async fn watches_of_many_namespaces_share_few_connections() -> Result<()> {
    // Four watches of each, and a connection has a hundred streams. A watch of a namespace that does not exist stays open.
    // The Lease has a connection of its own.
    let namespaces = (0..40).map(|number| format!("team-{number}")).chain(["shop".to_owned()]).collect::<Vec<_>>();
    let (world, link) = linked(&[], &["--namespaces", &namespaces.join(",")]).await?;
    sync(&world, "first").await?;
    eventually("four connections to remain", PATIENCE, async || Ok((link.open() <= 3 + 1).then_some(()))).await
}

#[tokio::test]
async fn an_api_server_without_http_2_will_do() -> Result<()> {
    let (world, link) = linked(&["--disable-http2-serving"], &[]).await?;
    sync(&world, "first").await?;
    assert!(link.open() > CONNECTIONS, "watches have a connection each, for otherwise this shows nothing");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_loses_all_packets_is_replaced() -> Result<()> {
    let (world, link) = linked(&[], &[]).await?;
    sync(&world, "first").await?;
    link.lose();
    let before = link.opened();
    create(&world, "second").await?;
    eventually("a change during the loss to reach its Secret", RECOVERY, async || {
        Ok(world.secret("second").await?.map(drop))
    })
    .await?;
    assert!(link.opened() > before, "it came through another connection");
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_the_kubeconfig_names_is_used() -> Result<()> {
    let world = World::without_operator().await?;
    let link = Link::proxy(&world.plane).await?;
    let (world, link) = through(world, link, &[]).await?;
    sync(&world, "first").await?;
    eventually("two connections to remain", PATIENCE, async || Ok((link.open() == CONNECTIONS).then_some(()))).await
}

#[tokio::test]
async fn requests_survive_that_the_api_server_ends_connections() -> Result<()> {
    // It asks for another connection at one of fifty requests, and ignores what was on its way.
    let (world, link) = linked(&["--goaway-chance=0.02"], &[]).await?;
    let names: Vec<_> = (0..200).map(|number| format!("object-{number}")).collect();
    create_all(&world, &names).await?;
    for name in &names {
        world.synced(name).await?;
    }
    assert!(link.opened() > 5, "it ended connections, for otherwise this shows nothing");
    let log = world.operator().log()?;
    let failures: Vec<_> = log.lines().filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\"")).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    Ok(())
}
