//! Operators that share a cluster by the labels of objects, each with a Lease of its own.

use std::{collections::BTreeMap, process::Stdio};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;
use testbed::{
    control_plane::Write,
    fake_aws::{DEFAULT_ACCOUNT, Identity},
    wait::eventually,
};
use tokio::{process::Command, time::timeout};

use super::replicas::{Call, Replica, Replicas, SYSTEM};
use crate::support::{PATIENCE, World, store};

const ELECTS: &[&str] = &["--leader-elect"];
/// Metric of the objects in sync.
const SYNCED: &str = r#"secureparameter_objects{reason="Synced"}"#;
const OVERLAPPING: &str = "secureparameter_overlapping_objects";

/// Creates an object of a team, which reads a parameter of its own name.
async fn create(world: &World, name: &str, team: &str) -> Result<()> {
    let path = world.path(name);
    world.aws.put(&path, "first");
    let mut object = world.object(name, &[("KEY", &path)], &json!({}));
    object["metadata"]["labels"] = json!({"team": team});
    world.apply(&object).await
}

/// Gives an object to another team.
async fn give(world: &World, name: &str, team: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"team": team}}}));
    world.api::<SecureParameter>().patch(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Changes a parameter, asks for a sync, and waits until the Secret shows it.
async fn rotate(world: &World, name: &str, value: &str) -> Result<()> {
    world.aws.put(&world.path(name), value);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"secureparameter.io/sync": value}}}));
    world.api::<SecureParameter>().patch(name, &PatchParams::default(), &patch).await?;
    world.wait_for_secret(name, &[("KEY", value)]).await
}

/// Waits until a metric of a replica has this figure.
async fn shows(replica: &Replica, metric: &str, figure: &str) -> Result<()> {
    let mut last = None;
    let shown = eventually(&format!("{} to show {metric} {figure}", replica.name), PATIENCE, async || {
        last = replica.metric(metric).await?;
        Ok((last.as_deref() == Some(figure)).then_some(()))
    })
    .await;
    shown.with_context(|| format!("last seen: {last:?}"))
}

/// Waits until a replica logs these words.
async fn says(replica: &Replica, words: &str) -> Result<()> {
    let said = eventually(&format!("{} to say {words:?}", replica.name), PATIENCE, async || {
        Ok(replica.operator.log()?.contains(words).then_some(()))
    })
    .await;
    said.with_context(|| replica.operator.log().unwrap_or_default())
}

/// How often a replica has reconciled a cluster store.
async fn store_reconciles(replica: &Replica) -> Result<u64> {
    let (_, page) = replica.operator.get("/metrics").await?;
    let prefix = r#"secureparameter_reconciles_total{kind="ClusterParameterStore""#;
    let lines = page.lines().filter(|line| line.starts_with(prefix)).filter_map(|line| line.rsplit_once(' '));
    lines.map(|(_, count)| Ok(count.parse::<u64>()?)).sum()
}

/// Checks that each of these objects, with its Secret and its Events, was written by its replica alone, and that it was.
fn check_writers(replicas: &mut Replicas, writers: &[(&str, &Replica)]) -> Result<()> {
    for write in replicas.writes()? {
        let writer = writers.iter().find(|(name, _)| write.object.starts_with(&format!("shop/{name}")));
        ensure!(writer.is_none_or(|(_, replica)| replica.name == write.user), "{write:?}");
    }
    for (name, replica) in writers {
        let secret = format!("shop/{name}");
        let mut of_secrets = replicas.writes()?.iter().filter(|write| write.resource == "secrets");
        ensure!(of_secrets.any(|write| write.object == secret && write.user == replica.name), "nobody wrote {name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_works_on_its_own_objects_and_takes_over_without_reading() -> Result<()> {
    let mut replicas = Replicas::new(ELECTS).await?;
    replicas.session = Some(Identity::assumed_role(DEFAULT_ACCOUNT, "secure-parameter-operator", "spo"));
    let first = replicas.start_with(&["--watch-selector", "team=a"]).await?;
    let second = replicas.start_with(&["--watch-selector", "team in (b)"]).await?;
    for (name, team) in [("alpha", "a"), ("beta", "b")] {
        create(&replicas.world, name, team).await?;
    }
    replicas.world.settled().await?;
    for name in ["alpha", "beta"] {
        replicas.world.reported(name).await?;
    }
    check_writers(&mut replicas, &[("alpha", &first), ("beta", &second)])?;
    let leases: Api<Lease> = Api::namespaced(replicas.world.client.clone(), SYSTEM);
    let leases = leases.list(&ListParams::default().labels("secureparameter.io/lease=true")).await?.items;
    let selectors = leases.iter().map(|lease| lease.annotations().clone().into_iter().collect::<Vec<_>>());
    let annotation = |text: &str| vec![("secureparameter.io/watch-selector".to_owned(), text.to_owned())];
    let mut selectors: Vec<_> = selectors.collect();
    selectors.sort();
    assert_eq!(selectors, [annotation("team=a"), annotation("team=b")]);

    shows(&first, SYNCED, "1").await?;
    // Another operator takes it over, and finds it in sync.
    let before = replicas.world.versions().await?;
    replicas.forget()?;
    give(&replicas.world, "alpha", "b").await?;
    shows(&second, SYNCED, "2").await?;
    shows(&first, SYNCED, "0").await?;
    let path = json!(replicas.world.path("alpha"));
    let looks_at = |call: &&Call| {
        let names = call.record["requestParameters"]["names"].as_array();
        names.is_some_and(|names| names.contains(&path))
    };
    let known = replicas.calls().iter().filter(looks_at).count();
    eventually("several looks at its parameter", PATIENCE, async || {
        Ok((replicas.calls().iter().filter(looks_at).count() >= known + 2).then_some(()))
    })
    .await?;
    let writes: Vec<_> = replicas.writes()?.iter().filter(|write| write.object.starts_with("shop/")).collect();
    ensure!(writes.is_empty(), "{writes:?}");
    ensure!(!replicas.calls().iter().any(Call::decrypts), "something was decrypted");
    let unchanged = |versions: &BTreeMap<String, Option<String>>| {
        let mut versions = versions.clone();
        versions.remove("object/alpha");
        versions
    };
    ensure!(unchanged(&before) == unchanged(&replicas.world.versions().await?), "something was written");
    rotate(&replicas.world, "alpha", "second").await?;
    check_writers(&mut replicas, &[("alpha", &second)])?;

    // Nobody's objects keep their Secrets.
    give(&replicas.world, "alpha", "nobody").await?;
    shows(&second, SYNCED, "1").await?;
    rotate(&replicas.world, "beta", "second").await?;
    replicas.world.wait_for_secret("alpha", &[("KEY", "second")]).await?;
    give(&replicas.world, "alpha", "a").await?;
    shows(&first, SYNCED, "1").await?;
    replicas.forget()?;
    rotate(&replicas.world, "alpha", "third").await?;
    check_writers(&mut replicas, &[("alpha", &first)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_watch_an_object_one_handles_it_and_both_say_so() -> Result<()> {
    let mut replicas = Replicas::new(ELECTS).await?;
    let first = replicas.start_with(&["--lease-name=shard-b", "--watch-selector=team in (a,b)"]).await?;
    for (name, team) in [("alpha", "a"), ("both", "b"), ("gamma", "c")] {
        create(&replicas.world, name, team).await?;
    }
    replicas.world.synced("both").await?;
    shows(&first, OVERLAPPING, "0").await?;
    let second = replicas.start_with(&["--lease-name=shard-a", "--watch-selector=team in (b,c)"]).await?;
    let sentences = [
        (&first, "Lease shard-a (--watch-selector 'team in (b,c)') watches 1 of", "that one handles them"),
        (&second, "Lease shard-b (--watch-selector 'team in (a,b)') watches 1 of", "this one handles them"),
    ];
    for (replica, other, handler) in sentences {
        says(replica, other).await?;
        says(replica, &format!("such as shop/both; {handler}")).await?;
        shows(replica, OVERLAPPING, "1").await?;
    }
    shows(&second, SYNCED, "2").await?;
    shows(&first, SYNCED, "1").await?;

    // What the first one had begun is over.
    for name in ["alpha", "both", "gamma"] {
        replicas.world.reported(name).await?;
    }
    replicas.forget()?;
    for value in ["second", "third", "fourth"] {
        for name in ["alpha", "both", "gamma"] {
            rotate(&replicas.world, name, value).await?;
            replicas.world.reported(name).await?;
        }
    }
    check_writers(&mut replicas, &[("alpha", &first), ("both", &second), ("gamma", &second)])?;

    let before = store_reconciles(&first).await?;
    replicas.world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 900}}))).await?;
    eventually("the first one to reconcile the store", PATIENCE, async || {
        Ok((store_reconciles(&first).await? > before).then_some(()))
    })
    .await?;
    let is_status = |write: &&Write| write.resource == "clusterparameterstores/status";
    eventually("the status of the store", PATIENCE, async || Ok(replicas.writes()?.iter().find(is_status).map(drop)))
        .await?;
    let users: Vec<_> = replicas.writes()?.iter().filter(is_status).map(|write| &write.user).collect();
    ensure!(users.iter().all(|user| **user == second.name), "the first one wrote the status of a store: {users:?}");

    second.signal("TERM")?;
    rotate(&replicas.world, "both", "fifth").await?;
    shows(&first, OVERLAPPING, "0").await?;
    let writes = replicas.writes()?;
    let last = writes.iter().rfind(|write| write.object == "shop/both" && write.resource == "secrets");
    ensure!(last.is_some_and(|write| write.user == first.name), "{last:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_without_a_selector_handles_all() -> Result<()> {
    let mut replicas = Replicas::new(ELECTS).await?;
    let part = replicas.start_with(&["--lease-name=a", "--watch-selector=team=a"]).await?;
    let whole = replicas.start_with(&["--lease-name=b"]).await?;
    says(&whole, "The operator with the Lease a (--watch-selector 'team=a') watches only").await?;
    create(&replicas.world, "alpha", "a").await?;
    replicas.world.reported("alpha").await?;
    shows(&part, OVERLAPPING, "1").await?;
    says(&part, "The operator with the Lease b (without --watch-selector) watches 1 of").await?;
    check_writers(&mut replicas, &[("alpha", &whole)])
}

#[tokio::test]
async fn a_wrong_selector_is_refused() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    command.args(["run", "--watch-selector", "team like a"]).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await??;
    let message = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains(r#""team like a" is no requirement on labels; write team=a, "#), "{message}");
    Ok(())
}
