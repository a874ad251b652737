//! No value, nor anything made of one, shows anywhere but in the Secret's data: planted values are looked for in all
//! that the operator writes, with everything logged.

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
async fn planted_values_show_nowhere() -> Result<()> {
    let (mut world, canaries) = scenario::set().await?;
    world.start_operator().await?;
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": scenario::manifests()})).await?;
    for (name, status, reason) in ENDS {
        world.wait_for(name, status, reason).await?;
    }
    for (store, reason) in [("mistaken", "CredentialsInvalid"), ("unusable", "StoreNotReady")] {
        world.wait_for_store(store, reason).await?;
    }
    let before = metadata(&world).await?;
    rotate(&world).await?;
    assert_eq!(metadata(&world).await?, before, "another value is to leave no other trace");
    let mut texts = pages(world.operator(), "the first operator").await?;
    // A second start reads everything that the first one left.
    world.stop_operator()?;
    world.start_operator().await?;
    eventually("the second operator to meet what failed before", PATIENCE, async || {
        let denied = |record: &Value| record["cloudtrail"]["errorCode"] == "AccessDeniedException";
        Ok(world.operator().audit()?.iter().any(denied).then_some(()))
    })
    .await?;
    texts.extend(pages(world.operator(), "the second operator").await?);
    texts.extend(cluster(&world).await?);
    let (_, log) = &texts[0];
    assert!(log.contains(r#""level":"TRACE""#), "not everything is logged");
    // A name may show. That it does, proves that these texts are what they should be.
    let shown = findings(&[Canary::new("a name", "/shop/denied")], &texts);
    assert!(shown.len() >= 6, "only seen in: {shown:#?}");
    let found = findings(&canaries, &texts);
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

/// Changes a value and nothing else.
async fn rotate(world: &World) -> Result<()> {
    world.aws.put("/shop/short", ROTATED);
    eventually("the rotated value to arrive", PATIENCE, async || {
        let secret = world.secret("good").await?.context("no Secret")?;
        Ok((secret["SHORT"] == ROTATED).then_some(()))
    })
    .await
}

/// Metadata of the Secret, but for what every write changes. Holds our labels and annotations and no others.
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

/// All that an operator says by itself.
async fn pages(operator: &Operator, who: &str) -> Result<Vec<(String, String)>> {
    let mut texts = vec![(format!("the log of {who}"), operator.log()?)];
    let audit: Vec<_> = operator.audit()?.iter().map(ToString::to_string).collect();
    texts.push((format!("the audit stream of {who}"), audit.join("\n")));
    for path in ["/healthz", "/readyz", "/metrics"] {
        texts.push((format!("{path} of {who}"), operator.get(path).await?.1));
    }
    Ok(texts)
}

/// All that the operator left in the cluster, but for the data of Secrets.
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
