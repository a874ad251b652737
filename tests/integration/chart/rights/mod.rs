//! Each right of the chart's ClusterRole is needed: without it, something fails that should work. That all of them together
//! are enough is shown by the test in `operator`.

mod leases;
mod restarts;
mod scenario;
mod tokens;

use std::collections::BTreeSet;

use anyhow::Result;
use futures::future::try_join_all;
use testbed::wait::eventually;

use self::{
    restarts::restarts_are_refused,
    scenario::{Right, Scenario, granted, role},
};
use super::{NAMESPACE, installation::Installation};
use crate::support::chart::account_kubeconfig;
use crate::support::{Operator, PATIENCE};

const VALUES: &[&str] = &[
    "--set=aws.region=eu-central-1,defaultStore.create=true,restart.enabled=true",
    r#"--set-json=defaultStore.spec={"access":[{"name":"own-paths","namespaces":{"from":"All"},"parameters":["/{namespace}/**"]}]}"#,
];

/// What shows that a right is missing.
#[derive(Clone, Copy, Debug)]
enum Breaks {
    /// The operator never learns of this resource, and says so in its log.
    Watch(&'static str),
    /// Object `trial` of this scenario says these words.
    Says(Scenario, &'static str),
    /// The log says these words.
    Logs(Scenario, &'static str),
    /// The metrics have this line.
    Metric(Scenario, &'static str),
    /// The condition Restarted of object `restarts` names this workload as one that the operator may not restart.
    Restart(&'static str),
}

/// Resource, verb, and what breaks without it.
const NEEDED: &[(&str, &str, Breaks)] = &[
    ("secureparameter.io/secureparameters", "list", Breaks::Watch("secureparameters")),
    ("secureparameter.io/secureparameters", "watch", Breaks::Watch("secureparameters")),
    ("secureparameter.io/parameterstores", "list", Breaks::Watch("parameterstores")),
    ("secureparameter.io/parameterstores", "watch", Breaks::Watch("parameterstores")),
    ("secureparameter.io/clusterparameterstores", "list", Breaks::Watch("clusterparameterstores")),
    ("secureparameter.io/clusterparameterstores", "watch", Breaks::Watch("clusterparameterstores")),
    ("/namespaces", "list", Breaks::Watch("namespaces")),
    ("/namespaces", "watch", Breaks::Watch("namespaces")),
    ("/secrets", "list", Breaks::Watch("secrets")),
    ("/secrets", "watch", Breaks::Watch("secrets")),
    ("/secrets", "get", Breaks::Says(Scenario::Merge, "cannot get resource")),
    ("/secrets", "create", Breaks::Says(Scenario::NewObject, "cannot create resource")),
    ("/secrets", "patch", Breaks::Says(Scenario::NewObject, "cannot patch resource")),
    ("/secrets", "delete", Breaks::Says(Scenario::Move, "cannot delete resource")),
    ("secureparameter.io/secureparameters", "patch", Breaks::Says(Scenario::Merge, "The finalizer of SecureParameter")),
    (
        "secureparameter.io/secureparameters/status",
        "patch",
        Breaks::Metric(Scenario::NewObject, r#"kind="SecureParameter",reason="StatusWriteFailed""#),
    ),
    (
        "secureparameter.io/parameterstores/status",
        "patch",
        Breaks::Metric(Scenario::NewStore, r#"kind="ParameterStore",reason="StatusWriteFailed""#),
    ),
    (
        "secureparameter.io/clusterparameterstores/status",
        "patch",
        Breaks::Metric(Scenario::NewClusterStore, r#"kind="ClusterParameterStore",reason="StatusWriteFailed""#),
    ),
    ("events.k8s.io/events", "create", Breaks::Logs(Scenario::NewObject, "could not create an Event")),
    ("apps/deployments", "get", Breaks::Restart("Deployment web")),
    ("apps/statefulsets", "get", Breaks::Restart("StatefulSet web")),
    ("apps/daemonsets", "get", Breaks::Restart("DaemonSet web")),
    ("argoproj.io/rollouts", "get", Breaks::Restart("Rollout web")),
    ("apps/deployments", "list", Breaks::Restart("Deployment by selector")),
    ("apps/statefulsets", "list", Breaks::Restart("StatefulSet by selector")),
    ("apps/daemonsets", "list", Breaks::Restart("DaemonSet by selector")),
    ("argoproj.io/rollouts", "list", Breaks::Restart("Rollout by selector")),
    ("apps/deployments", "patch", Breaks::Restart("Deployment web")),
    ("apps/statefulsets", "patch", Breaks::Restart("StatefulSet web")),
    ("apps/daemonsets", "patch", Breaks::Restart("DaemonSet web")),
    ("argoproj.io/rollouts", "patch", Breaks::Restart("Rollout web")),
];

#[tokio::test]
async fn without_any_one_right_something_breaks() -> Result<()> {
    let mut world = Installation::start(&["shop"], VALUES).await?;
    let granted = granted(&world).await?;
    let table: BTreeSet<Right> =
        NEEDED.iter().map(|(resource, verb, _)| ((*resource).to_owned(), (*verb).to_owned())).collect();
    assert_eq!(granted, table, "the table names every right of the chart");

    watches_say_what_is_missing(&mut world, &granted).await?;
    world.aws.put("/shop/password", "first");
    let operator = world.operator().await?;
    for (resource, verb, breaks) in NEEDED {
        let right = ((*resource).to_owned(), (*verb).to_owned());
        match *breaks {
            Breaks::Watch(_) | Breaks::Restart(_) => {}
            Breaks::Says(scenario, words) => {
                world
                    .without(&[right], &granted, scenario, async || world.says("trial", words).await.map(drop))
                    .await?;
            }
            Breaks::Logs(scenario, words) => {
                let logged = async || until(words, async || operator.log()).await;
                world.without(&[right], &granted, scenario, logged).await?;
            }
            Breaks::Metric(scenario, line) => {
                let counted = async || until(line, async || Ok(operator.get("/metrics").await?.1)).await;
                world.without(&[right], &granted, scenario, counted).await?;
            }
        }
    }
    restarts_are_refused(&world, &granted).await?;
    world.stop(&operator).map(drop)
}

/// Starts an operator without each of the rights that a watch needs, all at once.
async fn watches_say_what_is_missing(world: &mut Installation, granted: &BTreeSet<Right>) -> Result<()> {
    let mut operators: Vec<(Operator, &str)> = Vec::new();
    for (resource, verb, breaks) in NEEDED {
        let Breaks::Watch(name) = *breaks else { continue };
        let account = format!("without-{verb}-{name}");
        world.plane.kubectl(["create", "serviceaccount", &account, "--namespace", NAMESPACE]).await?;
        let missing = ((*resource).to_owned(), (*verb).to_owned());
        world.apply(&role(&account, granted.iter().filter(|right| **right != missing))).await?;
        let subject = format!("--serviceaccount={NAMESPACE}:{account}");
        let bind = ["create", "clusterrolebinding", &account, "--clusterrole", &account, &subject];
        world.plane.kubectl(bind).await?;
        let kubeconfig = account_kubeconfig(&world.plane, NAMESPACE, &account).await?;
        operators.push((world.launch(&kubeconfig, &[]).await?, name));
    }
    let told = operators.iter().map(async |(operator, name)| {
        until(&format!("The operator may not list and watch {name};"), async || operator.log()).await
    });
    try_join_all(told).await.map(drop)
}

/// Waits until a text contains these words.
async fn until(words: &str, mut text: impl AsyncFnMut() -> Result<String>) -> Result<()> {
    eventually(&format!("the words {words:?}"), PATIENCE, async || Ok(text().await?.contains(words).then_some(())))
        .await
}
