//! Rollouts: workloads are restarted when the content of their Secret changed, and at no other time.

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use secure_parameter_operator::api::{Condition, SecureParameter, SecureParameterStatus};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{Group, PATIENCE, World, foreign};

/// The annotation on pod templates by which object `checkout` restarts workloads.
const ANNOTATION: &str = "restarted-for.secureparameter.io/checkout";

/// A workload with the label `tier: web`. `spec` adds fields.
fn workload(world: &World, kind: &str, name: &str, spec: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": world.namespace, "labels": {"tier": "web"}},
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

/// An object that restarts these workloads. `more` adds fields of its spec.
fn checkout(world: &World, restart: &Value, more: &Value) -> Value {
    let mut spec = json!({"restart": restart});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    world.object("checkout", &[("KEY", &world.path("key"))], &spec)
}

/// The token on a Deployment's pod template.
async fn token(world: &World, name: &str) -> Result<Option<String>> {
    let deployment = world.api::<Deployment>().get(name).await?;
    let template = deployment.spec.context("a spec")?.template.metadata.context("metadata")?;
    Ok(template.annotations.and_then(|annotations| annotations.get(ANNOTATION).cloned()))
}

/// Waits until the token is another than `known`. Returns it.
async fn restarted(world: &World, name: &str, known: Option<&str>) -> Result<String> {
    eventually(&format!("{name} to be restarted"), PATIENCE, async || {
        Ok(token(world, name).await?.filter(|token| Some(token.as_str()) != known))
    })
    .await
}

/// The condition Restarted of an object.
fn condition(object: &SecureParameter) -> Option<&Condition> {
    object.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == "Restarted")
}

/// Waits until the condition Restarted has this reason. Returns its message.
async fn restarts_are(world: &World, reason: &str) -> Result<String> {
    let is_so = |object: &SecureParameter| condition(object).is_some_and(|condition| condition.reason == reason);
    let object = world.wait_until("checkout", &format!("restarts to be {reason}"), is_so).await?;
    Ok(condition(&object).map(|condition| condition.message.clone()).unwrap_or_default())
}

/// The number of changes of a Deployment's spec, its creation included.
async fn generation(world: &World, name: &str) -> Result<Option<i64>> {
    Ok(world.api::<Deployment>().get(name).await?.metadata.generation)
}

/// Patches an object as a user would.
async fn patch(world: &World, kind: &str, name: &str, patch: &str) -> Result<()> {
    let arguments = ["--namespace", &world.namespace, "patch", kind, name, "--type=merge", "-p", patch];
    world.plane.kubectl(arguments).await.map(drop)
}

/// Three rotations at once cause two restarts at most, the last of them for the last value.
#[tokio::test]
async fn rotations_restart_workloads_of_every_kind() -> Result<()> {
    let world = World::shared(Group::Secrets, "rollout").await?;
    world.aws.put("/rollout/key", "one");
    for (kind, name) in [("Deployment", "web"), ("Deployment", "other"), ("StatefulSet", "web"), ("DaemonSet", "web")] {
        world.apply(&workload(&world, kind, name, &json!({}))).await?;
    }
    let expression = json!({"key": "tier", "operator": "In", "values": ["web"]});
    let all = json!([
        {"kind": "Deployment", "name": "web"},
        {"kind": "Deployment", "selector": {"matchLabels": {"tier": "web"}}},
        {"kind": "StatefulSet", "name": "web"},
        {"kind": "DaemonSet", "selector": {"matchExpressions": [expression]}},
    ]);
    world.apply(&checkout(&world, &all, &json!({}))).await?;
    world.synced("checkout").await?;
    for value in ["two", "three", "four"] {
        world.aws.put("/rollout/key", value);
    }
    let pending = restarts_are(&world, "RestartPending").await?;
    assert!(pending.contains("5 s after the last change"), "{pending}");
    let first = restarted(&world, "web", None).await?;
    world.wait_for_secret("checkout", &[("KEY", "four")]).await?;
    let message = restarts_are(&world, "Restarted").await?;
    for workload in ["Deployment web", "Deployment other", "StatefulSet web", "DaemonSet web"] {
        assert!(message.contains(workload), "{message}");
    }
    world.event("checkout", "Restarted", &[]).await?;
    let synced = world.synced("checkout").await?.status.context("a status")?;
    let secret = synced.written_secret().context("a Secret")?;
    assert_eq!(first, format!("checkout/{}", secret.resource_version), "restarted for the last value");
    assert_eq!(token(&world, "other").await?, Some(first));
    Ok(())
}

/// A label of the Secret, a repair, a version with the same value and a restart of the operator change no content.
#[tokio::test]
async fn only_changed_content_restarts_workloads() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/key", "one");
    world.apply(&workload(&world, "Deployment", "web", &json!({}))).await?;
    let web = json!([{"kind": "Deployment", "name": "web"}]);
    world.apply(&checkout(&world, &web, &json!({}))).await?;
    let reported = world.reported("checkout").await?.status.context("a status")?;
    let secret = reported.written_secret().context("a Secret")?;

    world.apply(&checkout(&world, &web, &json!({"target": {"labels": {"team": "shop"}}}))).await?;
    let is_labelled = |object: &SecureParameter| {
        let written = object.status.as_deref().and_then(SecureParameterStatus::written_secret);
        written.is_some_and(|written| written.resource_version != secret.resource_version)
    };
    world.wait_until("checkout", "the label to be written", is_labelled).await?;
    patch(&world, "secret", "checkout", r#"{"stringData": {"KEY": "changed"}}"#).await?;
    world.wait_for_secret("checkout", &[("KEY", "one")]).await?;
    world.settled().await?;
    patch(&world, "secret", "checkout", r#"{"metadata": {"annotations": {"theirs": "x"}}}"#).await?;
    world.aws.put("/shop/key", "one");
    let is_noticed = |object: &SecureParameter| {
        let parameters = object.status.as_ref().map(|status| status.parameters.as_slice()).unwrap_or_default();
        parameters.iter().any(|parameter| parameter.version == 2)
    };
    let noticed = world.wait_until("checkout", "the version with the same value to be noticed", is_noticed).await?;
    let reason = condition(&noticed).map(|condition| condition.reason.as_str());
    assert_ne!(reason, Some("RestartPending"), "no restart is planned");
    world.settled().await?;
    world.stop_operator()?;
    world.start_operator().await?;
    world.settled().await?;

    // A restart that had been planned by now would come before the one for this value.
    world.aws.put("/shop/key", "two");
    restarted(&world, "web", None).await?;
    assert_eq!(generation(&world, "web").await?, Some(2), "created, and restarted once");
    Ok(())
}

/// Two objects restart the same workloads, one of which is paused and one of which is not rolled by Kubernetes.
#[tokio::test]
async fn a_paused_workload_is_restarted_once_it_is_resumed() -> Result<()> {
    let mut world = World::start().await?;
    let first = restart_around_a_pause(&world).await?;
    let is_reported = |object: &SecureParameter| {
        condition(object).is_some_and(|c| c.message.contains("paused, will restart when resumed: Deployment paused."))
    };
    let object = world.wait_until("checkout", "the pause to be reported", is_reported).await?;
    let message = &condition(&object).context("a condition")?.message;
    assert!(message.contains("DaemonSet manual") && message.contains("OnDelete"), "{message}");
    assert_eq!(token(&world, "paused").await?, None, "a paused workload is left alone");

    // A new operator does not restart the others again.
    world.stop_operator()?;
    patch(&world, "deployment", "paused", r#"{"spec": {"paused": false}}"#).await?;
    world.start_operator().await?;
    assert_eq!(restarted(&world, "paused", None).await?, first);
    restarts_are(&world, "Restarted").await?;
    eventually("both objects to restart the resumed workload", PATIENCE, async || {
        // Created, resumed, and restarted twice.
        Ok((generation(&world, "paused").await? == Some(4)).then_some(()))
    })
    .await?;
    assert_eq!(generation(&world, "web").await?, Some(3), "created, and restarted once by each object");
    Ok(())
}

/// Creates the workloads and two objects that restart them, changes the value of both, and waits until both have
/// restarted Deployment `web`. Returns the token of `checkout`.
async fn restart_around_a_pause(world: &World) -> Result<String> {
    world.aws.put("/shop/key", "one");
    world.apply(&workload(world, "Deployment", "web", &json!({}))).await?;
    world.apply(&workload(world, "Deployment", "paused", &json!({"paused": true}))).await?;
    world.apply(&workload(world, "DaemonSet", "manual", &json!({"updateStrategy": {"type": "OnDelete"}}))).await?;
    let all = json!([
        {"kind": "Deployment", "name": "web"},
        {"kind": "Deployment", "name": "paused"},
        {"kind": "DaemonSet", "name": "manual"},
    ]);
    world.apply(&checkout(world, &all, &json!({}))).await?;
    world.synced("checkout").await?;
    world.aws.put("/shop/other", "one");
    world.apply(&world.object("other", &[("KEY", "/shop/other")], &json!({"restart": all}))).await?;
    world.synced("other").await?;
    world.aws.put("/shop/other", "two");
    world.aws.put("/shop/key", "two");
    let first = restarted(world, "web", None).await?;
    eventually("both objects to restart Deployment web", PATIENCE, async || {
        Ok((generation(world, "web").await? == Some(3)).then_some(()))
    })
    .await?;
    Ok(first)
}

#[tokio::test]
async fn a_missing_workload_is_reported_until_the_spec_is_corrected() -> Result<()> {
    let world = World::shared(Group::Secrets, "rollout-missing").await?;
    world.aws.put("/rollout-missing/key", "one");
    world.apply(&workload(&world, "Deployment", "web", &json!({}))).await?;
    let none = json!([{"kind": "StatefulSet", "name": "none"}]);
    world.apply(&checkout(&world, &none, &json!({}))).await?;
    world.synced("checkout").await?;
    world.aws.put("/rollout-missing/key", "two");
    let message = restarts_are(&world, "RestartFailed").await?;
    assert!(message.contains("Not found, correct spec.restart: StatefulSet none"), "{message}");
    let web = json!([{"kind": "Deployment", "name": "web"}]);
    world.apply(&checkout(&world, &web, &json!({}))).await?;
    restarted(&world, "web", None).await?;
    world.apply(&checkout(&world, &json!([]), &json!({}))).await?;
    world.wait_until("checkout", "the condition to be removed", |object| condition(object).is_none()).await?;
    Ok(())
}

#[tokio::test]
async fn an_argo_rollout_is_restarted_by_its_field_restart_at() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/key", "one");
    // Argo Rollouts is not installed.
    world.apply(&foreign("argoproj.io/v1alpha1", "Rollout", "Namespaced", &[])).await?;
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
    world.apply(&checkout(&world, &restart, &json!({}))).await?;
    world.synced("checkout").await?;
    world.aws.put("/shop/key", "two");
    let message = restarts_are(&world, "Restarted").await?;
    assert!(message.contains("Rollout web"), "{message}");
    let found = world.plane.kubectl(["get", "-n", "shop", "rollouts", "web", "-o", "json"]).await?;
    let found: Value = serde_json::from_str(&found)?;
    assert!(found["spec"]["restartAt"].as_str().is_some_and(|time| time.ends_with('Z')), "{found}");
    assert!(found["spec"].get("template").is_none(), "a Rollout that refers to a Deployment has no pod template");
    assert!(found["metadata"]["annotations"][ANNOTATION].is_string(), "{found}");
    Ok(())
}
