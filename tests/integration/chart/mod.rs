//! The Helm chart, with the real Helm. Tests that install it use a real control plane.

mod admission;
mod deploy;
mod goldens;
mod installation;
mod lifecycle;
mod namespaces;
mod operator;
mod policies;
mod render;
mod rights;
mod roles;
mod upgrade;
mod values;

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::support::{
    chart::{FULLNAME, NAMESPACE, RELEASE, arguments, chart, helm, rendered, repository},
    same_as_file,
};

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

/// A folder beside this file.
fn folder(name: &str) -> PathBuf {
    repository().join("tests/integration/chart").join(name)
}
