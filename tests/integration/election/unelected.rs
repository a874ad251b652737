//! Operators without election: one works, and a second one, which is a mistake, says so.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::{control_plane::ControlPlane, wait::eventually};

use super::replicas::{Replica, Replicas, SYSTEM};
use crate::support::{Operator, PATIENCE, World, chart::account_kubeconfig};

/// Waits until `/readyz` shows a sentence with these words.
async fn waits_because(replica: &Replica, words: &str) -> Result<()> {
    let mut last = None;
    let waited = eventually(&format!("{} to say {words:?}", replica.name), PATIENCE, async || {
        let (status, page) = replica.operator.get("/readyz").await?;
        let says = status == 503 && page.contains(words);
        last = Some((status, page));
        Ok(says.then_some(()))
    })
    .await;
    waited.with_context(|| format!("last seen: {last:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_operator_says_so_and_works_once_the_first_has_ended() -> Result<()> {
    let mut replicas = Replicas::new(&["--lease-duration=2s"]).await?;
    replicas.world.aws.put("/shop/db", "first");
    let object = replicas.world.object("checkout", &[("DB", "/shop/db")], &json!({}));
    replicas.world.apply(&object).await?;
    let first = replicas.start().await?;
    replicas.leads(&first).await?;

    let second = replicas.launch().await?;
    let sentence = format!("Another operator, {}_", first.name);
    waits_because(&second, &sentence).await?;
    waits_because(&second, "run only one, or all with --leader-elect.").await?;
    assert_eq!(second.metric("secureparameter_leader").await?.as_deref(), Some("0"));
    replicas.world.aws.put("/shop/db", "second");
    replicas.world.wait_for_secret("checkout", &[("DB", "second")]).await?;
    let log = second.operator.log()?;
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("\"WARN\"")).collect();
    ensure!(warnings.len() == 1 && warnings[0].contains(&sentence), "{log}");
    ensure!(replicas.writes()?.iter().all(|write| write.user == first.name), "the second one wrote");
    ensure!(replicas.calls().iter().all(|call| call.by == first.name), "the second one called AWS");

    first.signal("TERM")?;
    replicas.leads(&second).await?;
    second.operator.ready().await?;
    replicas.world.aws.put("/shop/db", "third");
    replicas.world.wait_for_secret("checkout", &[("DB", "third")]).await?;

    // One that was killed is no mistake: the next one waits for its Lease to end.
    let third = replicas.launch().await?;
    waits_because(&third, "Another operator").await?;
    second.signal("KILL")?;
    replicas.leads(&third).await?;
    third.operator.ready().await?;
    replicas.check_one_leader()
}

/// As the administrator of a namespace may have it, who applied an older Role.
#[tokio::test]
async fn without_the_right_to_use_leases_an_operator_says_so_once_and_works() -> Result<()> {
    let world = World::without_operator().await?;
    let rule = json!({
        "apiGroups": ["", "apps", "events.k8s.io", "secureparameter.io"], "resources": ["*"], "verbs": ["*"],
    });
    let metadata = json!({"name": "all-but-leases"});
    let version = "rbac.authorization.k8s.io/v1";
    world.apply(&json!({"apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": [rule]})).await?;
    let operator = limited(&world.plane, &world.aws.environment()).await?;
    operator.ready().await?;
    world.aws.put("/shop/db", "first");
    world.apply(&world.object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    let log = operator.log()?;
    assert_eq!(log.matches("may not use the Lease").count(), 1, "{log}");
    Ok(())
}

/// Starts an operator with these rights.
async fn limited(plane: &ControlPlane, environment: &[(String, String)]) -> Result<Operator> {
    plane.kubectl(["create", "namespace", SYSTEM]).await?;
    plane.kubectl(["create", "serviceaccount", "limited", "--namespace", SYSTEM]).await?;
    let account = format!("--serviceaccount={SYSTEM}:limited");
    plane.kubectl(["create", "clusterrolebinding", "limited", "--clusterrole=all-but-leases", &account]).await?;
    let kubeconfig = account_kubeconfig(plane, SYSTEM, "limited").await?;
    Operator::start(&kubeconfig, environment, &["--lease-namespace", SYSTEM], plane.folder(), 1)
}
