//! Leaks: no value appears anywhere but in the data of the Secret, in any encoding. Planted values are searched in
//! everything that the operator writes, at the most verbose log level.

mod forms;
mod scenario;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{ResourceExt, api::ListParams};
use serde_json::{Value, json};
use testbed::wait::eventually;

use self::{
    forms::{Canary, findings},
    scenario::{ENDS, ROTATED},
};
use crate::support::{Operator, PATIENCE, World};

const KINDS: &str = "secureparameters,parameterstores,clusterparameterstores";

#[tokio::test]
async fn planted_values_appear_only_in_secrets() -> Result<()> {
    let (mut world, canaries) = scenario::prepare().await?;
    world.start_operator().await?;
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": scenario::manifests()})).await?;
    for (name, status, reason) in ENDS {
        world.wait_for(name, status, reason).await?;
    }
    for (store, reason) in [("mistaken", "CredentialsInvalid"), ("unusable", "CredentialsInvalid")] {
        world.wait_for_store(store, reason).await?;
    }
    let before = metadata(&world).await?;
    rotate(&world).await?;
    assert_eq!(metadata(&world).await?, before, "a new value must not change the metadata");
    let mut texts = pages(world.operator(), "the first operator").await?;
    // A second operator reads what the first one wrote.
    world.stop_operator()?;
    world.start_operator().await?;
    eventually("the second operator to repeat a failed read", PATIENCE, async || {
        let denied = |record: &Value| record["cloudtrail"]["errorCode"] == "AccessDeniedException";
        Ok(world.operator().audit()?.iter().any(denied).then_some(()))
    })
    .await?;
    texts.extend(pages(world.operator(), "the second operator").await?);
    texts.extend(cluster(&world).await?);
    let (_, log) = &texts[0];
    assert!(log.contains(r#""level":"TRACE""#), "not everything is logged");
    // Names may appear. A name that does proves that these texts are complete.
    let shown = findings(&[Canary::new("a name", "/shop/denied")], &texts);
    assert!(shown.len() >= 6, "the name is only in: {shown:#?}");
    let found = findings(&canaries, &texts);
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

/// Changes one value and waits until it arrives.
async fn rotate(world: &World) -> Result<()> {
    world.aws.put("/shop/short", ROTATED);
    eventually("the rotated value to arrive", PATIENCE, async || {
        let secret = world.secret("good").await?.context("no Secret")?;
        Ok((secret["SHORT"] == ROTATED).then_some(()))
    })
    .await
}

/// Metadata of the Secret without the fields that every write changes. Checks that it has only our labels and annotations.
async fn metadata(world: &World) -> Result<Value> {
    let secret = world.api::<Secret>().get("good").await?;
    let labels: Vec<_> = secret.labels().keys().cloned().collect();
    assert_eq!(labels, ["app.kubernetes.io/managed-by", "secureparameter.io/owner-uid"]);
    let annotations: Vec<_> = secret.annotations().keys().cloned().collect();
    assert_eq!(annotations, ["secureparameter.io/owner"]);
    let mut metadata = serde_json::to_value(secret.metadata)?;
    metadata["resourceVersion"] = Value::Null;
    for entry in metadata["managedFields"].as_array_mut().into_iter().flatten() {
        entry["time"] = Value::Null;
    }
    Ok(metadata)
}

/// Everything that an operator outputs.
async fn pages(operator: &Operator, who: &str) -> Result<Vec<(String, String)>> {
    let mut texts = vec![(format!("the log of {who}"), operator.log()?)];
    let audit: Vec<_> = operator.audit()?.iter().map(ToString::to_string).collect();
    texts.push((format!("the audit stream of {who}"), audit.join("\n")));
    for path in ["/healthz", "/readyz", "/metrics"] {
        texts.push((format!("{path} of {who}"), operator.get(path).await?.1));
    }
    Ok(texts)
}

/// Everything that the operator wrote to the cluster, except the data of Secrets.
async fn cluster(world: &World) -> Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for arguments in [
        &["get", KINDS, "--all-namespaces", "--output", "json", "--show-managed-fields"][..],
        &["describe", KINDS, "--all-namespaces"],
        &["get", "events.events.k8s.io", "--all-namespaces", "--output", "json", "--show-managed-fields"],
        &["describe", "secrets", "--all-namespaces"],
    ] {
        texts.push((format!("kubectl {}", arguments.join(" ")), world.plane.kubectl(arguments).await?));
    }
    for secret in world.api::<Secret>().list(&ListParams::default()).await? {
        let name = secret.name_any();
        let without_data = serde_json::to_string(&Secret { data: None, ..secret })?;
        texts.push((format!("what surrounds the data of Secret {name}"), without_data));
    }
    Ok(texts)
}
