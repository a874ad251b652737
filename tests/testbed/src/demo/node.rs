//! `testbed demo --node`: the chart as Pods of a real node, which is killed and goes on.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command as Program,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{
    control_plane::ControlPlane,
    fake_aws::FakeAws,
    node::{Node, PAUSE},
    wait::eventually,
};

use super::{
    NAMESPACE, PATIENCE,
    show::{command, headline, text},
};

/// Name of the program, its image, its release and its Lease.
const OPERATOR: &str = "secure-parameter-operator";

/// Shows the operator on a node. Ends after the demonstration if `once`.
pub async fn demonstrate(root: &Path, once: bool) -> Result<()> {
    if let Some(lack) = Node::lacks() {
        anyhow::bail!("{lack}");
    }
    let archive = build_image(root).await?;
    headline("Start a Kubernetes API, a node and a fake AWS")?;
    let plane = ControlPlane::start_for_node(&[]).await?;
    let node = Node::start(&plane, &[archive]).await?;
    let aws = FakeAws::start().await?;
    aws.put("/shop/checkout/db-password", "correct-horse-battery-staple");
    aws.put("/shop/checkout/api-token", "token-1");
    let demo = Demo { root, node, aws, plane };
    demo.show(&["get", "nodes"]).await?;
    demo.install().await?;
    demo.follow().await?;
    demo.fail_over().await?;
    if once {
        return Ok(());
    }
    headline("Everything keeps running. Try it from another terminal; press Ctrl-C here to stop.")?;
    text(&format!("export KUBECONFIG='{}'", demo.plane.kubeconfig().display()))?;
    for (name, value) in demo.aws.environment() {
        text(&format!("export {name}='{value}'"))?;
    }
    std::future::pending().await
}

/// Makes a release and returns its image.
async fn build_image(root: &Path) -> Result<PathBuf> {
    headline("Make the image of a release (about ten minutes the first time)")?;
    let folder = root.join("target/demo-release");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut release = tokio::process::Command::new(cargo);
    release.args(["xtask", "release", "--out"]).arg(&folder).current_dir(root);
    let status = release.status().await?;
    ensure!(status.success(), "cargo xtask release ended with {status}");
    let files = fs::read_dir(&folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let is_image = |path: &PathBuf| path.to_string_lossy().ends_with(".oci.tar");
    files.iter().map(std::fs::DirEntry::path).find(is_image).context("the release has no image")
}

struct Demo<'a> {
    root: &'a Path,
    node: Node,
    aws: FakeAws,
    // Ends last.
    plane: ControlPlane,
}

impl Demo<'_> {
    /// Installs the chart in a namespace that admits only Pods of the restricted profile.
    async fn install(&self) -> Result<()> {
        headline("Install the chart with two replicas")?;
        let url = self.aws.url();
        let server: SocketAddr = url.trim_start_matches("http://").parse()?;
        let reached = format!("http://{}", self.node.forward(server)?);
        let variable = |(name, value): (String, String)| json!({"name": name, "value": value.replace(&url, &reached)});
        let environment = self.aws.environment().into_iter().filter(|(name, _)| name != "AWS_REGION").map(variable);
        let environment = format!("--set-json=extraEnv={}", environment.collect::<Value>());
        let metadata = json!({"name": OPERATOR, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}});
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
        let chart = self.root.join("charts").join(OPERATOR).display().to_string();
        let values = "--set=image.pullPolicy=Never,restart.enabled=true,aws.region=eu-central-1";
        command("helm install secure-parameter-operator charts/secure-parameter-operator --wait …")?;
        let fixed = ["install", OPERATOR, &chart, "--namespace", OPERATOR, "--wait", values, &environment];
        self.plane.helm(fixed).await?;
        self.show(&["-n", OPERATOR, "get", "pods"]).await
    }

    /// A Secret appears, a workload uses it, and a rotation rolls the workload.
    async fn follow(&self) -> Result<()> {
        headline("Ask for a Secret, and for a restart of the workload that uses it")?;
        self.show(&["apply", "-f", "examples/00-namespace.yaml"]).await?;
        self.show(&["apply", "-f", "examples/store.yaml", "-f", "examples/checkout.yaml"]).await?;
        let labels = json!({"app": "checkout"});
        let container = json!({
            "name": "main",
            "image": PAUSE,
            "imagePullPolicy": "Never",
            "envFrom": [{"secretRef": {"name": "checkout"}}],
        });
        self.apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "checkout", "namespace": NAMESPACE},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }))
        .await?;
        let restart = r#"{"spec":{"restart":[{"kind":"Deployment","name":"checkout"}]}}"#;
        self.show(&["-n", NAMESPACE, "patch", "sparam", "checkout", "--type=merge", "-p", restart]).await?;
        self.show(&["-n", NAMESPACE, "wait", "--for=condition=Ready", "--timeout=60s", "sparam/checkout"]).await?;
        self.show(&["-n", NAMESPACE, "rollout", "status", "deployment/checkout", "--timeout=60s"]).await?;

        headline("Rotate a parameter")?;
        self.rotate("token-2").await?;
        self.show(&["-n", NAMESPACE, "rollout", "history", "deployment/checkout"]).await
    }

    /// The leader is killed, and the other Pod goes on.
    async fn fail_over(&self) -> Result<()> {
        headline("Kill the operator that leads")?;
        let leader = self.holder().await?;
        text(&format!("{leader} holds the Lease."))?;
        let is_leader = |id: &u32| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|line| line.strip_prefix(b"HOSTNAME=").is_some_and(|name| leader.as_bytes().starts_with(name)))
        };
        let id = self.node.processes(OPERATOR).into_iter().find(is_leader).context("the leader has no process")?;
        ensure!(Program::new("sh").args(["-c", &format!("kill -s KILL {id}")]).status()?.success());
        let start = Instant::now();
        let next = eventually("another Pod to hold the Lease", PATIENCE, async || {
            let holder = self.holder().await?;
            Ok((holder != leader).then_some(holder))
        })
        .await?;
        text(&format!("{next} holds it {:.1} s later.", start.elapsed().as_secs_f64()))?;
        self.rotate("token-3").await?;
        self.show(&["-n", OPERATOR, "get", "pods"]).await
    }

    async fn holder(&self) -> Result<String> {
        let field = "jsonpath={.spec.holderIdentity}";
        self.plane.kubectl(["-n", OPERATOR, "get", "lease", OPERATOR, "-o", field]).await
    }

    /// Changes a parameter and waits until Secret and workload have followed.
    async fn rotate(&self, value: &str) -> Result<()> {
        command("aws ssm put-parameter --overwrite --name /shop/checkout/api-token --value ********")?;
        let read = |kind: &'static str, field: &'static str| {
            self.plane.kubectl(["-n", NAMESPACE, "get", kind, "checkout", "-o", field])
        };
        let generation = read("deployment", "jsonpath={.metadata.generation}").await?;
        self.aws.put("/shop/checkout/api-token", value);
        let start = Instant::now();
        eventually("the workload to be restarted", PATIENCE, async || {
            Ok((read("deployment", "jsonpath={.metadata.generation}").await? != generation).then_some(()))
        })
        .await?;
        text(&format!("After {:.1} s the Secret has it, and the workload restarts.", start.elapsed().as_secs_f64()))?;
        self.show(&["-n", NAMESPACE, "rollout", "status", "deployment/checkout", "--timeout=60s"]).await
    }

    async fn apply(&self, manifest: &Value) -> Result<()> {
        self.plane.kubectl_stdin(["apply", "--server-side", "-f", "-"], &manifest.to_string()).await.map(drop)
    }

    /// Runs kubectl in the folder of the repository, and shows the command and what it printed.
    async fn show(&self, arguments: &[&str]) -> Result<()> {
        command(&format!("kubectl {}", arguments.join(" ")))?;
        let in_root = |argument: &&str| match argument.strip_prefix("examples/") {
            Some(file) => self.root.join("examples").join(file).display().to_string(),
            None => (*argument).to_owned(),
        };
        text(&self.plane.kubectl(arguments.iter().map(in_root)).await?)
    }
}
