//! A release of the previous chart becomes one of this chart, and goes back. `previous/` has the package as users have it;
//! each release of the chart puts its own in place of it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;

use super::{NAMESPACE, RELEASE, folder, installation::Installation};
use crate::support::{chart::policies_act, object};

const VALUES: &[&str] = &[
    "--set=aws.region=eu-central-1,defaultStore.create=true,restart.enabled=true",
    r#"--set-json=defaultStore.spec={"access":[{"name":"own-paths","namespaces":{"from":"All"},"parameters":["/{namespace}/**"]}]}"#,
];

/// Kinds of the chart's objects.
const KINDS: &str = "deployments,serviceaccounts,poddisruptionbudgets,roles,rolebindings,clusterroles,clusterrolebindings,\
validatingadmissionpolicies,validatingadmissionpolicybindings,customresourcedefinitions,clusterparameterstores";

/// The package of the previous chart.
fn previous() -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder("previous"))?;
    Ok(entries.next().context("no package of the previous chart")??.path())
}

/// Kind and name of each object of the release, with its uid.
async fn objects(plane: &ControlPlane) -> Result<BTreeMap<String, String>> {
    let namespace = format!("--namespace={NAMESPACE}");
    let listed =
        plane.kubectl(["get", KINDS, &namespace, "--output=json", "--selector=app.kubernetes.io/instance"]).await?;
    let definitions = plane.kubectl(["get", "customresourcedefinitions", "--output=json"]).await?;
    let mut found = BTreeMap::new();
    for list in [listed, definitions] {
        let list: Value = serde_json::from_str(&list)?;
        for item in list["items"].as_array().context("items")? {
            let (kind, metadata) = (item["kind"].as_str().context("a kind")?, &item["metadata"]);
            let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
            ensure!(metadata["deletionTimestamp"].is_null(), "{kind} {} is being deleted", text("name"));
            found.insert(format!("{kind} {}", text("name")), text("uid"));
        }
    }
    Ok(found)
}

#[tokio::test]
async fn a_release_of_the_previous_chart_is_upgraded_and_rolled_back() -> Result<()> {
    let mut world = Installation::of(&previous()?, &["shop"], VALUES).await?;
    policies_act(&world.plane, &world.kubeconfig().await?, "shop").await?;
    let first = objects(&world.plane).await?;
    ensure!(first.len() >= 16, "{first:#?}");
    let operator = world.operator().await?;
    world.aws.put("/shop/password", "first");
    world.apply(&object("checkout", &[("PASSWORD", "/shop/password")], &json!({}))).await?;
    let secret = world.secret_holds("checkout", "first").await?;
    world.stop(&operator)?;

    world.upgrade(VALUES).await?;
    assert_eq!(objects(&world.plane).await?, first, "each object is the same as before");
    let operator = world.operator().await?;
    world.aws.put("/shop/password", "second");
    assert_eq!(world.secret_holds("checkout", "second").await?.uid(), secret.uid());
    let log = world.stop(&operator)?;
    ensure!(!log.contains("forbidden") && !log.contains("may not"), "a right is missing:\n{log}");

    world.plane.helm(["rollback", RELEASE, "1", "--namespace", NAMESPACE]).await?;
    assert_eq!(objects(&world.plane).await?, first);
    world.upgrade(&[VALUES, &["--set=networkPolicy.create=true,commonLabels.team=platform"]].concat()).await?;
    assert_eq!(objects(&world.plane).await?, first);

    world.plane.helm(["uninstall", RELEASE, "--namespace", NAMESPACE]).await?;
    let mut kept = objects(&world.plane).await?;
    kept.retain(|name, uid| first.get(name) == Some(uid));
    let names: Vec<_> = kept.keys().map(|name| name.split(' ').next().unwrap_or_default()).collect();
    let definition = "CustomResourceDefinition";
    assert_eq!(names, ["ClusterParameterStore", definition, definition, definition]);
    assert_eq!(world.secret_holds("checkout", "second").await?.uid(), secret.uid());
    Ok(())
}
