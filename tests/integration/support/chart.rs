//! The chart, rendered by the real Helm, and what of it fences an operator in.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, tools::Tool, wait::eventually};
use tokio::process::Command;

use super::PATIENCE;

/// Name of the release in all tests.
pub const RELEASE: &str = "operator";
/// Namespace of the release in all tests.
pub const NAMESPACE: &str = "operator-system";
/// Name of the chart's objects in that release.
pub const FULLNAME: &str = "operator-secure-parameter-operator";

/// Folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folder of the chart.
pub fn chart() -> PathBuf {
    repository().join("charts/secure-parameter-operator")
}

/// Arguments of helm: `verb`, the release, the chart, its namespace, and `more`.
pub fn arguments(verb: &str, more: &[&str]) -> Vec<String> {
    arguments_of(&chart(), verb, more)
}

/// Like [`arguments`], for another chart.
pub fn arguments_of(chart: &Path, verb: &str, more: &[&str]) -> Vec<String> {
    let chart = chart.display().to_string();
    let fixed = [verb, RELEASE, &chart, "--namespace", NAMESPACE];
    fixed.iter().chain(more).map(|&argument| argument.to_owned()).collect()
}

/// Runs helm without a cluster. Returns its standard output.
pub async fn helm(arguments: &[String]) -> Result<String> {
    // An empty kubeconfig, so that helm cannot reach a cluster of the user.
    let mut command = Command::new(Tool::Helm.path().await?);
    let output = command.args(arguments).env("KUBECONFIG", "/dev/null").output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// All objects of `helm template` with `more` arguments.
pub async fn rendered(more: &[&str]) -> Result<Vec<Value>> {
    objects(&helm(&arguments("template", more)).await?)
}

/// All objects of a stream of YAML documents.
pub fn objects(yaml: &str) -> Result<Vec<Value>> {
    let documents = serde_yaml::Deserializer::from_str(yaml).map(Value::deserialize);
    Ok(documents.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|object| !object.is_null()).collect())
}

/// A kubeconfig of a ServiceAccount.
pub async fn account_kubeconfig(plane: &ControlPlane, namespace: &str, name: &str) -> Result<PathBuf> {
    let token = plane.service_account_token(namespace, name).await?;
    let path = plane.folder().join(format!("{name}.kubeconfig"));
    plane.write_kubeconfig(&token, &path)?;
    Ok(path)
}

/// Fences the operator in as the chart does, without installing it: creates its ServiceAccount, its roles and its admission
/// policies. `values` adds values of the chart. Returns a kubeconfig of that account.
pub async fn fence(plane: &ControlPlane, values: &[&str]) -> Result<PathBuf> {
    plane.kubectl(["create", "namespace", NAMESPACE]).await?;
    let usual = "--set=crds.install=false,restart.enabled=true,rbac.aggregate=false";
    for object in rendered(&[&[usual], values].concat()).await?.iter().filter(|object| object["kind"] != "Deployment") {
        plane.kubectl_stdin(["apply", "-f", "-"], &object.to_string()).await?;
    }
    let kubeconfig = account_kubeconfig(plane, NAMESPACE, FULLNAME).await?;
    policies_act(plane, &kubeconfig, "default").await?;
    Ok(kubeconfig)
}

/// Waits until both admission policies are in force, which takes the API server a moment. The operator must have rights in
/// this namespace.
pub async fn policies_act(plane: &ControlPlane, kubeconfig: &Path, namespace: &str) -> Result<()> {
    let metadata = json!({"name": "trial", "namespace": namespace});
    let event = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": metadata,
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "action": "Try",
        "reason": "Trial",
        "type": "Normal",
        "reportingController": "trial",
        "reportingInstance": "trial",
        "regarding": {"apiVersion": "v1", "kind": "Secret", "name": "trial", "namespace": namespace},
    });
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata});
    for (policy, trial) in [("secrets", secret), ("other-writes", event)] {
        eventually(&format!("the policy {policy} to be in force"), PATIENCE, async || {
            let arguments = ["create", "--dry-run=server", "--validate=false", "-f", "-"];
            match kubectl_as(plane, kubeconfig, &arguments, &trial.to_string()).await {
                Ok(_) => Ok(None),
                Err(error) if is_refused_by(&error, policy) => Ok(Some(())),
                Err(error) => bail!("{error:#}"),
            }
        })
        .await?;
    }
    Ok(())
}

/// Reports whether the chart's policy of this name refused a request.
pub fn is_refused_by(error: &anyhow::Error, policy: &str) -> bool {
    format!("{error:#}").contains(&format!("ValidatingAdmissionPolicy '{FULLNAME}-{policy}'"))
}

/// Runs kubectl with this kubeconfig.
pub async fn kubectl_as(plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str], input: &str) -> Result<String> {
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    plane.kubectl_stdin([&[kubeconfig.as_str()], arguments].concat(), input).await
}
