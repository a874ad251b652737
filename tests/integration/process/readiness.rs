//! Readiness: while something is missing, `/readyz` says what, and the operator becomes ready without a restart once it
//! is there.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::{Value, json};
use testbed::{
    control_plane::ControlPlane,
    fake_aws::{DEFAULT_ACCOUNT, FakeAws, Identity},
    wait::eventually,
};

use crate::support::{Operator, PATIENCE, Page, World, store};

/// Kinds whose watches fail without definitions.
const STORES: [&str; 2] = ["clusterparameterstores", "parameterstores"];

/// Waits until `/readyz` shows exactly these reasons. Checks that the log has each of them once.
async fn waits_for(operator: &Operator, sentences: &[&str]) -> Result<()> {
    let expected = sentences.join("\n") + "\n";
    let mut last = None;
    let waited = eventually(&format!("the operator to wait: {expected}"), PATIENCE, async || {
        last = Some(operator.get("/readyz").await?);
        Ok((last == Some((503, expected.clone()))).then_some(()))
    })
    .await;
    waited.with_context(|| format!("last seen: {last:?}"))?;
    for sentence in sentences.iter().filter(|sentence| !sentence.starts_with("Waiting")) {
        assert_eq!(operator.log()?.matches(sentence).count(), 1, "{sentence}: {}", operator.log()?);
    }
    Ok(())
}

#[tokio::test]
async fn missing_definitions_are_waited_for() -> Result<()> {
    let plane = ControlPlane::start().await?;
    let aws = FakeAws::start().await?;
    let operator = Operator::start(plane.kubeconfig(), &aws.environment(), &[], plane.folder(), 1)?;
    let [cluster_stores, stores] = STORES.map(|name| {
        format!(
            "CustomResourceDefinition {name}.secureparameter.io is not installed; apply the manifests in crds/ or \
             install the chart."
        )
    });
    // Objects are listed after their stores.
    let objects = "Waiting for the first list of secureparameters.";
    waits_for(&operator, &[&cluster_stores, &stores, objects]).await?;
    // The operator continues to try, and logs nothing new.
    eventually("further attempts", PATIENCE, async || {
        let page = Page::parse(&operator.get("/metrics").await?.1)?;
        let errors = STORES
            .map(|watch| page.value("secureparameter_watch_errors_total", &[("watch", watch)]).unwrap_or_default());
        Ok(errors.iter().all(|errors| *errors >= 3.0).then_some(()))
    })
    .await?;
    let log = operator.log()?;
    assert!(log.lines().count() <= 6, "the log repeats itself: {log}");
    // An operator that has listed nothing yet ends at once.
    let other = Operator::start(plane.kubeconfig(), &aws.environment(), &["--lease-name", "other"], plane.folder(), 2)?;
    waits_for(&other, &[&cluster_stores, &stores, objects]).await?;
    other.process().signal("TERM")?;
    assert!(other.process().wait(Duration::from_secs(15))?.success());
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    plane.kubectl(["apply", "--filename", &crds.display().to_string()]).await?;
    operator.ready().await?;
    assert_eq!(operator.get("/readyz").await?, (200, "ok\n".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_missing_region_and_missing_credentials_are_waited_for() -> Result<()> {
    let mut world = World::without_operator().await?;
    let complete = world.aws.environment();
    world.unset_environment(&["AWS_REGION"]);
    world.launch_operator()?;
    waits_for(world.operator(), &["No AWS region is configured; set AWS_REGION, or spec.region of every store."])
        .await?;
    world.wait_for_store("default", "StoreNotReady").await?;
    world.apply(&store("default", &json!({"region": "eu-central-1"}))).await?;
    world.operator().ready().await?;
    world.wait_for_store("default", "Synced").await?;

    world.stop_operator()?;
    world.set_environment(&complete);
    world.unset_environment(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);
    world.launch_operator()?;
    eventually("the operator to wait for credentials", PATIENCE, async || {
        let (code, body) = world.operator().get("/readyz").await?;
        let parts = [
            "The operator has no AWS credentials (there are none in environment variables, profile files, web identity and \
             container credentials, and the role of the node is used only with --allow-node-role); give its ServiceAccount",
            "a role (IRSA or EKS Pod Identity) that trusts it",
        ];
        Ok((code == 503 && parts.iter().all(|part| body.contains(part))).then_some(()))
    })
    .await?;
    world.wait_for_store("default", "CredentialsInvalid").await?;
    let reference = create_credentials(&world).await?;
    world.apply(&store("default", &json!({"identity": {"credentialsSecretRef": reference}}))).await?;
    world.operator().ready().await?;
    world.wait_for_store("default", "Synced").await.map(drop)
}

async fn create_credentials(world: &World) -> Result<Value> {
    let identity = Identity::user(DEFAULT_ACCOUNT, "tenant");
    world.aws.add_identity(identity.clone());
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "credentials"},
        "stringData": {"access-key-id": identity.access_key_id, "secret-access-key": identity.secret_access_key},
    }))?;
    world.api::<Secret>().create(&PostParams::default(), &secret).await?;
    Ok(json!({"namespace": "shop", "name": "credentials"}))
}
