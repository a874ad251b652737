//! Install, upgrade, roll back, uninstall and install again, on a cluster without our definitions.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;

use super::{NAMESPACE, RELEASE, arguments};

/// One `helm install` creates the definitions and the default store. The store stays the same object, so there is never a
/// time without grants.
#[tokio::test]
async fn the_default_store_survives_upgrade_rollback_and_uninstall() -> Result<()> {
    if crate::support::chart::helm(&["version".into(), "--short".into()]).await?.starts_with("v3") {
        testbed::tools::say("skipped with Helm 3, which cannot do all of this; the README of the chart says what");
        return Ok(());
    }
    let plane = ControlPlane::start().await?;
    helm(&plane, "install", &json!({"region": "eu-central-1", "quota": {"requestsPerSecond": 3}})).await?;
    let first = store(&plane).await?;

    for region in ["eu-west-1", "eu-west-2"] {
        helm(&plane, "upgrade", &json!({"region": region})).await?;
        assert_same(&store(&plane).await?, &first, &json!({"region": region}))?;
    }
    plane.helm(["rollback", RELEASE, "1", "--namespace", NAMESPACE]).await?;
    assert_same(&store(&plane).await?, &first, &first["spec"])?;
    helm(&plane, "upgrade", &json!({"region": "eu-west-3"})).await?;
    assert_same(&store(&plane).await?, &first, &json!({"region": "eu-west-3"}))?;

    plane.helm(["uninstall", RELEASE, "--namespace", NAMESPACE]).await?;
    assert_same(&store(&plane).await?, &first, &json!({"region": "eu-west-3"}))?;
    assert_eq!(definitions(&plane).await?, 3);
    let gone = plane.kubectl(["get", "deployments,serviceaccounts", "--namespace", NAMESPACE, "--output=name"]).await?;
    assert_eq!(gone.trim(), "serviceaccount/default");

    helm(&plane, "install", &json!({"region": "eu-north-1"})).await?;
    assert_same(&store(&plane).await?, &first, &json!({"region": "eu-north-1"}))
}

/// Removing the store or the definitions from the values does not delete them.
#[tokio::test]
async fn a_disabled_store_and_disabled_definitions_are_kept() -> Result<()> {
    let plane = ControlPlane::start().await?;
    helm(&plane, "install", &json!({"region": "eu-central-1"})).await?;
    let first = store(&plane).await?;
    for _ in 0..2 {
        plane.helm(arguments("upgrade", &["--set=crds.install=false,defaultStore.create=false"])).await?;
        assert_eq!(definitions(&plane).await?, 3);
        assert_same(&store(&plane).await?, &first, &first["spec"])?;
        helm(&plane, "upgrade", &first["spec"]).await?;
    }
    Ok(())
}

/// Installs or upgrades with this spec of the default store.
async fn helm(plane: &ControlPlane, verb: &str, spec: &Value) -> Result<()> {
    let spec = format!("--set-json=defaultStore.spec={spec}");
    let mut more = vec!["--set=defaultStore.create=true", &spec];
    if verb == "install" {
        more.push("--create-namespace");
    }
    plane.helm(arguments(verb, &more)).await.map(drop)
}

async fn store(plane: &ControlPlane) -> Result<Value> {
    let text = plane.kubectl(["get", "clusterparameterstore", "default", "--output=json"]).await?;
    serde_json::from_str(&text).context("the default store")
}

/// Number of our definitions that are not being deleted.
async fn definitions(plane: &ControlPlane) -> Result<usize> {
    let found: Value = serde_json::from_str(&plane.kubectl(["get", "crds", "--output=json"]).await?)?;
    let items = found["items"].as_array().context("items")?;
    let ours = items.iter().filter(|item| {
        item["spec"]["group"] == "secureparameter.io" && item["metadata"]["deletionTimestamp"].is_null()
    });
    Ok(ours.count())
}

/// Checks that it is the same object, with this spec.
fn assert_same(now: &Value, first: &Value, spec: &Value) -> Result<()> {
    assert_eq!(now["metadata"]["uid"].as_str().context("a uid")?, first["metadata"]["uid"]);
    assert_eq!(now["metadata"]["deletionTimestamp"], Value::Null);
    assert_eq!(&now["spec"], spec);
    Ok(())
}
