//! A cluster with a node on which the chart runs.

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Pod, Secret},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use secure_parameter_operator::api::crds;
use serde_json::{Value, json};
use testbed::{
    control_plane::ControlPlane,
    fake_aws::FakeAws,
    node::{Node, PAUSE},
    wait::eventually,
};

use crate::support::{chart::chart, object};

/// The OCI archive with the image of a release.
const ARCHIVE: &str = "IMAGE_ARCHIVE";
/// Name of the program, of the release and of its namespace, as in the pages.
pub const OPERATOR: &str = "secure-parameter-operator";
/// Longest time for a step: a container that is killed is started again after a while.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// A cluster with a node, and a fake AWS that its Pods reach.
pub struct World {
    node: Node,
    pub aws: FakeAws,
    client: Client,
    environment: Value,
    // Ends last.
    pub plane: ControlPlane,
}

impl World {
    pub async fn start() -> Result<Self> {
        let archive = PathBuf::from(env::var_os(ARCHIVE).with_context(|| format!("{ARCHIVE} is not set"))?);
        let plane = ControlPlane::start_for_node(&[]).await?;
        let node = Node::start(&plane, &[archive]).await?;
        let aws = FakeAws::start().await?;
        let url = aws.url();
        let address = node.forward(url.trim_start_matches("http://").parse()?)?;
        let variables = aws
            .environment()
            .into_iter()
            .map(|(name, value)| json!({"name": name, "value": value.replace(&url, &format!("http://{address}"))}));
        let environment = variables.filter(|variable| variable["name"] != "AWS_REGION").collect();
        aws.put("/shop/password", "first");
        let world = Self { client: plane.client().await?, plane, node, aws, environment };
        world.prepare().await?;
        Ok(world)
    }

    /// Namespaces, one of which admits only Pods of the restricted profile, and a workload with an object that restarts it.
    async fn prepare(&self) -> Result<()> {
        let label = "pod-security.kubernetes.io/enforce";
        for (name, profile) in [(OPERATOR, "restricted"), ("shop", "baseline")] {
            let metadata = json!({"name": name, "labels": {label: profile}});
            self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
        }
        for (_, definition) in crds() {
            self.apply(&serde_json::to_value(definition)?).await?;
        }
        self.plane.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
        let labels = json!({"app": "web"});
        let container = json!({
            "name": "web",
            "image": PAUSE,
            "imagePullPolicy": "Never",
            "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "checkout", "key": "PASSWORD"}}}],
        });
        self.apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }))
        .await?;
        let restart = json!({"refreshInterval": "10s", "restart": [{"kind": "Deployment", "name": "web"}]});
        self.apply(&object("checkout", &[("PASSWORD", "/shop/password")], &restart)).await
    }

    /// Installs or upgrades the release and waits until its Pods are ready, as users do.
    pub async fn install(&self, more: &[&str]) -> Result<()> {
        let environment = format!("--set-json=extraEnv={}", self.environment);
        let store =
            json!({"access": [{"name": "all", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"]}]});
        let store = format!("--set-json=defaultStore.spec={store}");
        let chart = chart().display().to_string();
        let usual = [
            "upgrade",
            OPERATOR,
            &chart,
            "--namespace",
            OPERATOR,
            "--install",
            "--wait",
            "--timeout=180s",
            "--take-ownership",
            "--set=image.pullPolicy=Never,aws.region=eu-central-1,restart.enabled=true,defaultStore.create=true",
            &environment,
            &store,
        ];
        let installed = self.plane.helm([&usual, more].concat()).await;
        installed.map(drop).map_err(|error| error.context(self.logs()))
    }

    pub async fn apply(&self, manifest: &Value) -> Result<()> {
        self.plane.kubectl_stdin(["apply", "--server-side", "-f", "-"], &manifest.to_string()).await.map(drop)
    }

    /// Name of the Pod that leads.
    pub async fn leader(&self) -> Result<String> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), OPERATOR);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), OPERATOR);
        eventually("a Pod to lead", PATIENCE, async || {
            let holder = leases.get(OPERATOR).await?.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            let names = pods.list(&ListParams::default()).await?.items.into_iter().map(|pod| pod.name_any());
            Ok(names.into_iter().find(|name| holder.starts_with(name.as_str())))
        })
        .await
    }

    /// Changes the parameter and waits until the Secret follows.
    pub async fn rotate(&self, value: &str) -> Result<()> {
        self.aws.put("/shop/password", value);
        self.secret_holds(value).await
    }

    pub async fn secret_holds(&self, value: &str) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "shop");
        let what = format!("the Secret to hold {value}");
        let held = eventually(&what, PATIENCE, async || {
            let data = secrets.get("checkout").await?.data.unwrap_or_default();
            Ok((data.get("PASSWORD").is_some_and(|held| held.0 == value.as_bytes())).then_some(()))
        });
        held.await.map_err(|error| error.context(self.logs()))
    }

    /// Waits until a Pod of the workload runs that was started because of the last rotation: one for each but the first.
    pub async fn workload_is_rolled(&self, revision: u32) -> Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), "shop");
        eventually(&format!("revision {revision} of the workload"), PATIENCE, async || {
            let deployment = deployments.get("web").await?;
            let current = deployment.annotations().get("deployment.kubernetes.io/revision").cloned();
            Ok((current == Some(revision.to_string())).then_some(()))
        })
        .await?;
        self.plane.kubectl(["-n", "shop", "rollout", "status", "deployment/web", "--timeout=120s"]).await.map(drop)
    }

    /// Kills the operator in a Pod without a word.
    pub fn kill(&self, pod: &str) -> Result<()> {
        let is_of_pod = |id: &u32| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|line| line == format!("HOSTNAME={pod}").as_bytes())
        };
        let id = self.node.processes(OPERATOR).into_iter().find(is_of_pod).context("the leader's process")?;
        ensure!(Command::new("sh").args(["-c", &format!("kill -s KILL {id}")]).status()?.success());
        Ok(())
    }

    /// Waits until the kubelet has started the operator in this Pod again, and it is ready.
    pub async fn is_restarted(&self, pod: &str) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), OPERATOR);
        eventually(&format!("{pod} to be restarted"), PATIENCE, async || {
            let status = pods.get(pod).await?.status.and_then(|status| status.container_statuses).unwrap_or_default();
            Ok(status.iter().any(|container| container.restart_count == 1 && container.ready).then_some(()))
        })
        .await
    }

    /// What the Pods of the operator logged.
    pub fn logs(&self) -> String {
        format!("log of the operator's Pods:\n{}", self.node.log(OPERATOR))
    }
}
