//! The operator as the chart starts it: with its arguments, its environment and the rights of its ServiceAccount.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{Api, Client, ResourceExt, api::ListParams};
use secure_parameter_operator::api::{ClusterParameterStore, Condition, SecureParameter};
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws, wait::eventually};

use super::{FULLNAME, NAMESPACE, RELEASE, arguments, container, objects, operator_arguments};
use crate::support::{Operator, PATIENCE, object};

const VALUES: &[&str] = &[
    "--set=aws.region=eu-central-1,defaultStore.create=true,concurrency=2",
    r#"--set-json=defaultStore.spec={"access":[{"name":"own-paths","namespaces":{"from":"Names","names":["shop"]},"parameters":["/{namespace}/**"]}]}"#,
];

struct Installation {
    plane: ControlPlane,
    aws: FakeAws,
    client: Client,
    runs: usize,
}

#[tokio::test]
async fn the_main_job_needs_no_more_than_the_chart_grants() -> Result<()> {
    let mut world = Installation::start().await?;
    let operator = world.operator().await?;
    world.aws.put("/shop/password", "first");
    let mut checkout = object("checkout", &[("PASSWORD", "/shop/password")], &json!({}));
    world.apply(&checkout).await?;
    let secret = world.secret_holds("checkout", "first").await?;
    world.aws.put("/shop/password", "second");
    assert_eq!(world.secret_holds("checkout", "second").await?.uid(), secret.uid());
    world.reports().await?;

    // A new target needs the right to delete the previous Secret.
    checkout["spec"]["target"] = json!({"name": "moved"});
    world.apply(&checkout).await?;
    let secret = world.secret_holds("moved", "second").await?;
    world.secret_gone("checkout").await?;
    world.merges_keys().await?;
    let first_log = world.stop(&operator)?;

    world.plane.helm(arguments("upgrade", &[VALUES, &["--set=concurrency=3"]].concat())).await?;
    let operator = world.operator().await?;
    world.aws.put("/shop/password", "third");
    world.secret_holds("moved", "third").await?;
    world.restarts_workloads_if_enabled().await?;
    let log = first_log + &world.stop(&operator)?;
    ensure!(!log.contains("forbidden") && !log.contains("may not"), "a right is missing:\n{log}");

    world.plane.helm(["uninstall", RELEASE, "--namespace", NAMESPACE]).await?;
    let kept = world.secret_holds("moved", "third").await?;
    assert_eq!((kept.uid(), kept.metadata.deletion_timestamp), (secret.uid(), None));
    let objects: Api<SecureParameter> = Api::namespaced(world.client.clone(), "shop");
    assert!(objects.get("checkout").await?.metadata.deletion_timestamp.is_none());
    Ok(())
}

impl Installation {
    /// Starts a cluster with the chart installed, and creates the namespace `shop`.
    async fn start() -> Result<Self> {
        let (plane, aws) = (ControlPlane::start().await?, FakeAws::start().await?);
        plane.helm(arguments("install", &[VALUES, &["--create-namespace"]].concat())).await?;
        let world = Self { client: plane.client().await?, plane, aws, runs: 0 };
        world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await?;
        Ok(world)
    }

    /// Merging keys needs the right to set the object's finalizer.
    async fn merges_keys(&self) -> Result<()> {
        let metadata =
            json!({"name": "theirs", "namespace": "shop", "annotations": {"secureparameter.io/allow": "merge"}});
        self.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})).await?;
        let target = json!({"target": {"name": "theirs", "creationPolicy": "Merge"}});
        self.apply(&object("merges", &[("PASSWORD", "/shop/password")], &target)).await?;
        self.secret_holds("theirs", "second").await?;
        self.plane.kubectl(["-n", "shop", "delete", "secureparameter", "merges", "--timeout=60s"]).await?;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "shop");
        ensure!(secrets.get("theirs").await?.data.is_none_or(|data| data.is_empty()), "the key was not removed");
        Ok(())
    }

    /// Without the right to restart workloads, the condition names the value of the chart.
    async fn restarts_workloads_if_enabled(&mut self) -> Result<()> {
        let restart = json!({"restart": [{"kind": "Deployment", "name": "none"}]});
        self.aws.put("/shop/rotating", "first");
        self.apply(&object("restarts", &[("PASSWORD", "/shop/rotating")], &restart)).await?;
        self.secret_holds("restarts", "first").await?;
        self.aws.put("/shop/rotating", "second");
        self.wait_for_restarted("restart.enabled=true").await?;
        self.plane.helm(arguments("upgrade", &[VALUES, &["--set=restart.enabled=true"]].concat())).await?;
        // The operator would try again after a minute. A new change is tried at once.
        self.aws.put("/shop/rotating", "third");
        self.wait_for_restarted("Not found, correct spec.restart: Deployment none.").await
    }

    async fn wait_for_restarted(&self, words: &str) -> Result<()> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), "shop");
        eventually(&format!("the condition Restarted to contain {words}"), PATIENCE, async || {
            let conditions = objects.get("restarts").await?.status.unwrap_or_default().conditions;
            Ok(conditions.iter().any(|c| c.type_ == "Restarted" && c.message.contains(words)).then_some(()))
        })
        .await
    }

    async fn apply(&self, manifest: &Value) -> Result<()> {
        self.plane.kubectl_stdin(["apply", "-f", "-"], &manifest.to_string()).await.map(drop)
    }

    /// Starts the operator as the Deployment would, and waits until it is ready.
    async fn operator(&mut self) -> Result<Operator> {
        self.runs += 1;
        let installed = objects(&self.plane.helm(["get", "manifest", RELEASE, "--namespace", NAMESPACE]).await?)?;
        let arguments = operator_arguments(&installed)?;
        ensure!(arguments[..2] == ["run", "--listen=0.0.0.0:8080"], "{arguments:?}");
        // `Operator::start` sets these two, with a free address.
        let arguments: Vec<_> = arguments[2..].iter().map(String::as_str).collect();
        let mut environment = self.aws.environment();
        environment.retain(|(name, _)| name != "AWS_REGION");
        for variable in container(&installed)?["env"].as_array().context("an environment")? {
            let text = |field: &str| Ok::<_, anyhow::Error>(variable[field].as_str().context("text")?.to_owned());
            environment.push((text("name")?, text("value")?));
        }
        let kubeconfig = self.kubeconfig().await?;
        let operator = Operator::start(&kubeconfig, &environment, &arguments, self.plane.folder(), self.runs)?;
        operator.ready().await?;
        Ok(operator)
    }

    /// A kubeconfig of the chart's ServiceAccount.
    async fn kubeconfig(&self) -> Result<PathBuf> {
        let token = self.plane.service_account_token(NAMESPACE, FULLNAME).await?;
        let path = self.plane.folder().join("operator.kubeconfig");
        self.plane.write_kubeconfig(&token, &path)?;
        Ok(path)
    }

    /// Stops an operator as Kubernetes would. Returns its log.
    fn stop(&self, operator: &Operator) -> Result<String> {
        operator.process().signal("TERM")?;
        let status = operator.process().wait(PATIENCE)?;
        let log = operator.log()?;
        ensure!(status.success(), "run {} ended with {status}:\n{log}", self.runs);
        Ok(log)
    }

    /// Waits until a Secret holds this password.
    async fn secret_holds(&self, name: &str, password: &str) -> Result<Secret> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "shop");
        eventually(&format!("Secret {name} to hold {password}"), PATIENCE, async || {
            let secret = secrets.get(name).await?;
            let held = secret.data.as_ref().and_then(|data| data.get("PASSWORD")).map(|value| value.0.as_slice());
            Ok((held == Some(password.as_bytes())).then_some(secret))
        })
        .await
    }

    async fn secret_gone(&self, name: &str) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "shop");
        eventually("the previous Secret to be deleted", PATIENCE, async || {
            Ok(secrets.get_opt(name).await?.is_none().then_some(()))
        })
        .await
    }

    /// Waits until both statuses and an Event are written.
    async fn reports(&self) -> Result<()> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), "shop");
        let stores: Api<ClusterParameterStore> = Api::all(self.client.clone());
        let events: Api<Event> = Api::namespaced(self.client.clone(), "shop");
        eventually("statuses and an Event", PATIENCE, async || {
            let object = objects.get("checkout").await?.status.is_some_and(|status| synced(&status.conditions));
            let store = stores.get("default").await?.status.is_some_and(|status| synced(&status.conditions));
            let has_event = !events.list(&ListParams::default()).await?.items.is_empty();
            Ok((object && store && has_event).then_some(()))
        })
        .await
    }
}

fn synced(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.reason == "Synced")
}
