//! Workloads are restarted when the content of their Secret changed, and at no other time.

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use secure_parameter_operator::api::{Condition, SecureParameter};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object};

/// By which object `checkout` restarts workloads.
const ANNOTATION: &str = "restarted-for.secureparameter.io/checkout";

fn workload(kind: &str, name: &str, spec: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "labels": {"tier": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "none"}]},
            },
        },
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        manifest["spec"][field] = value.clone();
    }
    manifest
}

fn checkout(restart: &Value, more: &Value) -> Value {
    let mut spec = json!({"restart": restart});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    object("checkout", &[("KEY", "/shop/key")], &spec)
}

/// The token on a Deployment's pod template.
async fn token(world: &World, name: &str) -> Result<Option<String>> {
    let deployment = world.api::<Deployment>().get(name).await?;
    let template = deployment.spec.context("a spec")?.template.metadata.context("metadata")?;
    Ok(template.annotations.and_then(|annotations| annotations.get(ANNOTATION).cloned()))
}

/// Waits for another token than the one known.
async fn restarted(world: &World, name: &str, known: Option<&str>) -> Result<String> {
    eventually(&format!("{name} to be restarted"), PATIENCE, async || {
        Ok(token(world, name).await?.filter(|token| Some(token.as_str()) != known))
    })
    .await
}

fn condition(object: &SecureParameter) -> Option<&Condition> {
    object.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == "Restarted")
}

async fn says(world: &World, reason: &str) -> Result<String> {
    let is_so = |object: &SecureParameter| condition(object).is_some_and(|condition| condition.reason == reason);
    let object = world.wait_until("checkout", &format!("restarts to be {reason}"), is_so).await?;
    Ok(condition(&object).map(|condition| condition.message.clone()).unwrap_or_default())
}

#[tokio::test]
async fn workloads_are_restarted_once_the_secret_changed() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/key", "one");
    for (kind, name) in [("Deployment", "web"), ("Deployment", "other"), ("StatefulSet", "web"), ("DaemonSet", "web")] {
        world.apply(&workload(kind, name, &json!({}))).await?;
    }
    let all = json!([
        {"kind": "Deployment", "name": "web"},
        {"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}},
        {"kind": "StatefulSet", "name": "web"},
        {"kind": "DaemonSet", "selector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]}},
    ]);
    world.apply(&checkout(&all, &json!({}))).await?;
    world.synced("checkout").await?;

    // Three rotations at once are two restarts at most, the last of them after the last value.
    for value in ["two", "three", "four"] {
        world.aws.put("/shop/key", value);
    }
    let pending = says(&world, "RestartPending").await?;
    assert!(pending.contains("5 s after its last change"), "{pending}");
    let first = restarted(&world, "web", None).await?;
    world.wait_for_secret("checkout", &[("KEY", "four")]).await?;
    let message = says(&world, "Restarted").await?;
    for workload in ["Deployment web", "Deployment other", "StatefulSet web", "DaemonSet web"] {
        assert!(message.contains(workload), "{message}");
    }
    world.event("checkout", "Restarted", &[]).await?;
    let synced = world.synced("checkout").await?.status.context("a status")?;
    let secret = synced.written_secret().context("a Secret")?;
    assert_eq!(first, format!("checkout/{}", secret.resource_version), "for the last value");
    assert_eq!(token(&world, "other").await?, Some(first.clone()));

    // Neither a label nor a repair nor a restart of the operator changes the content.
    world.apply(&checkout(&all, &json!({"target": {"labels": {"team": "shop"}}}))).await?;
    let labelled = |object: &SecureParameter| {
        object
            .status
            .as_ref()
            .and_then(|status| status.written_secret())
            .is_some_and(|s| s.resource_version != secret.resource_version)
    };
    world.wait_until("checkout", "the label to be written", labelled).await?;
    let patch = r#"{"stringData": {"KEY": "changed"}}"#;
    world.plane.kubectl(["-n", "shop", "patch", "secret", "checkout", "--type=merge", "-p", patch]).await?;
    world.wait_for_secret("checkout", &[("KEY", "four")]).await?;
    world.settled().await?;
    // Nor does the same value again, also in a Secret that others annotated.
    world.plane.kubectl(["-n", "shop", "annotate", "secret", "checkout", "theirs=x"]).await?;
    world.aws.put("/shop/key", "four");
    let is_noticed = |object: &SecureParameter| {
        let parameters = object.status.as_ref().map(|status| status.parameters.as_slice()).unwrap_or_default();
        parameters.iter().any(|parameter| parameter.version == 5)
    };
    let noticed = world.wait_until("checkout", "the version with the same value to be noticed", is_noticed).await?;
    assert_eq!(condition(&noticed).map(|condition| condition.reason.as_str()), Some("Restarted"), "none is planned");
    world.settled().await?;
    world.stop_operator()?;
    world.start_operator().await?;
    world.settled().await?;
    // What would be planned now is done before what is planned later.
    world.aws.put("/shop/key", "five");
    let second = restarted(&world, "web", Some(&first)).await?;
    let generation = world.api::<Deployment>().get("web").await?.metadata.generation;
    assert_eq!(generation, Some(3), "created, and restarted twice");
    assert_ne!(first, second);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_restarted_is_told_and_tried_again() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/key", "one");
    world.apply(&workload("Deployment", "web", &json!({}))).await?;
    world.apply(&workload("Deployment", "paused", &json!({"paused": true}))).await?;
    world.apply(&workload("DaemonSet", "manual", &json!({"updateStrategy": {"type": "OnDelete"}}))).await?;
    let all = json!([
        {"kind": "Deployment", "name": "web"},
        {"kind": "Deployment", "name": "paused"},
        {"kind": "DaemonSet", "name": "manual"},
    ]);
    world.apply(&checkout(&all, &json!({}))).await?;
    world.synced("checkout").await?;
    // Another object restarts the same workloads, and cannot finish either.
    world.aws.put("/shop/other", "one");
    world.apply(&object("other", &[("KEY", "/shop/other")], &json!({"restart": all}))).await?;
    world.synced("other").await?;
    world.aws.put("/shop/other", "two");
    world.aws.put("/shop/key", "two");
    let first = restarted(&world, "web", None).await?;
    eventually("both to restart it", PATIENCE, async || {
        Ok((world.api::<Deployment>().get("web").await?.metadata.generation == Some(3)).then_some(()))
    })
    .await?;
    let paused =
        |object: &SecureParameter| condition(object).is_some_and(|c| c.message.contains("Deployment paused is paused"));
    let object = world.wait_until("checkout", "the pause to be told", paused).await?;
    let message = &condition(&object).context("a condition")?.message;
    assert!(message.contains("DaemonSet manual") && message.contains("OnDelete"), "{message}");
    assert_eq!(token(&world, "paused").await?, None, "left alone");

    // Resumed, it is restarted, and nothing else is again: not even by an operator that does not remember.
    world.stop_operator()?;
    let resume = r#"{"spec": {"paused": false}}"#;
    world.plane.kubectl(["-n", "shop", "patch", "deployment", "paused", "--type=merge", "-p", resume]).await?;
    world.start_operator().await?;
    assert_eq!(restarted(&world, "paused", None).await?, first);
    says(&world, "Restarted").await?;
    eventually("both to restart it", PATIENCE, async || {
        // Created, paused and resumed, and restarted twice.
        Ok((world.api::<Deployment>().get("paused").await?.metadata.generation == Some(4)).then_some(()))
    })
    .await?;
    let generation = world.api::<Deployment>().get("web").await?.metadata.generation;
    assert_eq!(generation, Some(3), "created, and restarted once by each");

    world.apply(&checkout(&json!([{"kind": "StatefulSet", "name": "none"}]), &json!({}))).await?;
    world.aws.put("/shop/key", "three");
    let message = says(&world, "RestartFailed").await?;
    assert!(message.contains("StatefulSet none does not exist"), "{message}");
    // Corrected, it is done.
    world.apply(&checkout(&json!([{"kind": "Deployment", "name": "web"}]), &json!({}))).await?;
    restarted(&world, "web", Some(&first)).await?;
    world.apply(&checkout(&json!([]), &json!({}))).await?;
    world.wait_until("checkout", "the condition to go", |object| condition(object).is_none()).await?;
    Ok(())
}

/// A definition of Rollouts as far as restarts need it, since Argo Rollouts is not there.
fn rollouts() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.argoproj.io", "annotations": {"api-approved.kubernetes.io": "none"}},
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {"kind": "Rollout", "plural": "rollouts"},
            "versions": [
                {"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    })
}

#[tokio::test]
async fn a_rollout_of_argo_is_restarted_by_its_field_for_that() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/key", "one");
    world.apply(&rollouts()).await?;
    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
    });
    eventually("the definition of Rollouts to be served", PATIENCE, async || {
        Ok(world.apply(&rollout).await.is_ok().then_some(()))
    })
    .await?;
    let restart = json!([{"group": "argoproj.io", "kind": "Rollout", "name": "web"}]);
    world.apply(&checkout(&restart, &json!({}))).await?;
    world.synced("checkout").await?;
    world.aws.put("/shop/key", "two");
    let message = says(&world, "Restarted").await?;
    assert!(message.contains("Rollout web"), "{message}");
    let found = world.plane.kubectl(["get", "-n", "shop", "rollouts", "web", "-o", "json"]).await?;
    let found: Value = serde_json::from_str(&found)?;
    assert!(found["spec"]["restartAt"].as_str().is_some_and(|time| time.ends_with('Z')), "{found}");
    assert!(found["spec"].get("template").is_none(), "a Rollout that refers to a Deployment has no pod template");
    assert!(found["metadata"]["annotations"][ANNOTATION].is_string(), "{found}");
    Ok(())
}
