//! The Helm chart, with the real Helm. Tests that install it use a real control plane.

mod admission;
mod installation;
mod lifecycle;
mod namespaces;
mod operator;
mod policies;
mod render;
mod rights;
mod roles;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use testbed::tools::Tool;
use tokio::process::Command;

pub use installation::fence;

/// Name of the release in all tests.
const RELEASE: &str = "operator";
/// Namespace of the release in all tests.
const NAMESPACE: &str = "operator-system";
/// Name of the chart's objects in that release.
const FULLNAME: &str = "operator-secure-parameter-operator";

/// Folder of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folder of the chart.
fn chart() -> PathBuf {
    repository().join("charts/secure-parameter-operator")
}

/// Arguments of helm: `verb`, the release, the chart, its namespace, and `more`.
fn arguments(verb: &str, more: &[&str]) -> Vec<String> {
    let chart = chart().display().to_string();
    let fixed = [verb, RELEASE, &chart, "--namespace", NAMESPACE];
    fixed.iter().chain(more).map(|&argument| argument.to_owned()).collect()
}

/// Runs helm without a cluster. Returns its standard output.
async fn helm(arguments: &[String]) -> Result<String> {
    // An empty kubeconfig, so that helm cannot reach a cluster of the user.
    let mut command = Command::new(Tool::Helm.path().await?);
    let output = command.args(arguments).env("KUBECONFIG", "/dev/null").output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// All objects of `helm template` with `more` arguments.
async fn rendered(more: &[&str]) -> Result<Vec<Value>> {
    objects(&helm(&arguments("template", more)).await?)
}

/// All objects of a stream of YAML documents.
fn objects(yaml: &str) -> Result<Vec<Value>> {
    let documents = serde_yaml::Deserializer::from_str(yaml).map(Value::deserialize);
    Ok(documents.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|object| !object.is_null()).collect())
}

/// The object of this kind and name.
fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let mut candidates = objects.iter();
    candidates
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .with_context(|| format!("no {kind} {name}"))
}

/// The operator's container of the chart's Deployment.
fn container(objects: &[Value]) -> Result<&Value> {
    Ok(&find(objects, "Deployment", FULLNAME)?["spec"]["template"]["spec"]["containers"][0])
}

/// The operator's arguments in the chart's Deployment.
fn operator_arguments(objects: &[Value]) -> Result<Vec<String>> {
    Ok(serde_json::from_value(container(objects)?["args"].clone())?)
}
