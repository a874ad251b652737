//! `testbed demo`: from nothing to a Secret that follows its parameter, shown step by step.

mod cluster;
#[cfg(target_os = "linux")]
mod node;
mod show;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use testbed::{
    fake_aws::FakeAws,
    process::{Options, Process},
    tools::target_dir,
    wait::eventually,
};
use tokio::signal::unix::{SignalKind, signal};

use self::{
    cluster::Cluster,
    show::{command, headline, text},
};

/// Namespace of the examples.
const NAMESPACE: &str = "shop";
/// Longest time for a step, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// File with the operator's standard output, which is the audit stream.
const AUDIT: &str = "audit.jsonl";
/// Time between two reads of the rotated Secret.
const READ_INTERVAL: Duration = Duration::from_millis(100);

/// How the demo runs.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// End after the demonstration, with a failure if any step failed
    #[arg(long)]
    once: bool,
    /// Use this context of the current kubeconfig instead of a control plane of its own
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Install the chart on a real node, kill the Pod that leads, and let the other go on. Needs root; builds a kubelet,
    /// containerd and the image of a release from a clean tree, which takes half an hour the first time
    #[cfg(target_os = "linux")]
    #[arg(long, conflicts_with = "context")]
    node: bool,
}

/// Runs the demonstration until it ends or until SIGINT or SIGTERM.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        result = demonstrate(args) => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn demonstrate(args: &DemoArgs) -> Result<()> {
    let root = root()?;
    #[cfg(target_os = "linux")]
    if args.node {
        return node::demonstrate(&root, args.once).await;
    }
    let operator = build_operator(&root).await?;
    headline("Start a Kubernetes API and a fake AWS")?;
    let cluster = Cluster::start(args.context.as_deref()).await?;
    let aws = FakeAws::start().await?;
    aws.put("/shop/checkout/db-password", "correct-horse-battery-staple");
    aws.put("/shop/checkout/api-token", "token-1");
    text(&format!("Kubernetes: {}\nAWS: {}, with two SecureStrings in Parameter Store", cluster.name(), aws.url()))?;

    headline("Install the definitions, grant parameters to a namespace, ask for a Secret")?;
    cluster.show(&["apply", "-f", "crds/"], &root).await?;
    cluster.show(&["wait", "--for=condition=Established", "--timeout=30s", "-f", "crds/"], &root).await?;
    // The namespace must exist before the objects in it.
    cluster.show(&["apply", "-f", "examples/00-namespace.yaml"], &root).await?;
    cluster.show(&["apply", "-f", "examples/store.yaml", "-f", "examples/checkout.yaml"], &root).await?;

    headline("Start the operator")?;
    let process = start_operator(&operator, &cluster, &aws)?;
    cluster
        .show(&["-n", NAMESPACE, "wait", "--for=condition=Ready", "--timeout=60s", "sparam/checkout"], &root)
        .await?;
    cluster.show(&["get", "secureparameters", "--all-namespaces"], &root).await?;
    show_keys(&cluster).await?;
    show_trail(&cluster, &root).await?;

    headline("Rotate a parameter")?;
    rotate(&cluster, &aws).await?;
    cluster.show(&["get", "secureparameters", "--all-namespaces"], &root).await?;
    process.ensure_running()?;
    if args.once {
        return Ok(());
    }
    stay(&cluster, &aws).await
}

/// The folder of the repository that this program was built from.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no repository")?;
    ensure!(root.join("crds").is_dir(), "the repository that the demo was built from is gone");
    Ok(root.to_owned())
}

/// Builds the operator with the Cargo that runs the demo. Cargo shows its progress on standard error.
async fn build_operator(root: &Path) -> Result<PathBuf> {
    headline("Build the operator (some minutes the first time)")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = tokio::process::Command::new(cargo).args(["build", "--bins"]).current_dir(root).status().await?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(target_dir().join("debug").join("secure-parameter-operator"))
}

fn start_operator(operator: &Path, cluster: &Cluster, aws: &FakeAws) -> Result<Process> {
    // A fixed port may be in use, for example by another demo.
    let arguments = ["run", "--listen", "127.0.0.1:0", "--log-format", "text"];
    let mut run = Command::new(operator);
    run.args(arguments).env("KUBECONFIG", cluster.kubeconfig()).envs(aws.environment());
    command("secure-parameter-operator run --log-format text")?;
    let options = Options { errors: Some(cluster.folder().join("operator.log")), ..Options::default() };
    Process::start_with("secure-parameter-operator", &run, &cluster.folder().join(AUDIT), &options)
}

/// Shows the keys of the Secret without their values.
async fn show_keys(cluster: &Cluster) -> Result<()> {
    command("kubectl -n shop get secret checkout   # values masked")?;
    for key in cluster.secret(NAMESPACE, "checkout").await?.into_keys() {
        text(&format!("{key}: ********"))?;
    }
    Ok(())
}

/// Shows the Events of the object and the audit record of the read.
async fn show_trail(cluster: &Cluster, root: &Path) -> Result<()> {
    headline("Who read what, when, through which request")?;
    let columns = "custom-columns=TYPE:.type,REASON:.reason,NOTE:.note";
    let name = "--field-selector=regarding.name=checkout";
    eventually("the Event of the read", PATIENCE, async || {
        let events =
            cluster.kubectl(&["-n", NAMESPACE, "get", "events.v1.events.k8s.io", name, "-o", "name"], root).await?;
        Ok((!events.trim().is_empty()).then_some(()))
    })
    .await?;
    cluster.show(&["-n", NAMESPACE, "get", "events.v1.events.k8s.io", name, "-o", columns], root).await?;
    let record = fs::read_to_string(cluster.folder().join(AUDIT))?;
    let record =
        record.lines().find(|line| line.contains("\"GetParameters\"")).context("no audit record of the read")?;
    text("The audit record, in CloudTrail's field names:")?;
    let record: serde_json::Value = serde_json::from_str(record)?;
    text(&serde_json::to_string_pretty(&record)?)
}

/// Changes a parameter and waits until the Secret has the new value.
async fn rotate(cluster: &Cluster, aws: &FakeAws) -> Result<()> {
    command("aws ssm put-parameter --overwrite --name /shop/checkout/api-token --value ********")?;
    let version = aws.put("/shop/checkout/api-token", "token-2");
    let start = Instant::now();
    let deadline = start + PATIENCE;
    while cluster.secret(NAMESPACE, "checkout").await?.get("API_TOKEN").map(Vec::as_slice) != Some(b"token-2") {
        ensure!(Instant::now() < deadline, "the Secret did not change within {PATIENCE:?}");
        tokio::time::sleep(READ_INTERVAL).await;
    }
    text(&format!(
        "Version {version} reached the Secret after {:.1} s (the example polls every 10 s).",
        start.elapsed().as_secs_f64()
    ))
}

/// Keeps everything running, so that the user can try it.
async fn stay(cluster: &Cluster, aws: &FakeAws) -> Result<()> {
    headline("Everything keeps running. Try it from another terminal; press Ctrl-C here to stop.")?;
    text(&format!("export KUBECONFIG='{}'", cluster.kubeconfig().display()))?;
    for (name, value) in aws.environment() {
        text(&format!("export {name}='{value}'"))?;
    }
    text("aws ssm put-parameter --overwrite --type SecureString --name /shop/checkout/api-token --value token-3")?;
    text("kubectl -n shop describe secureparameter checkout")?;
    std::future::pending().await
}
