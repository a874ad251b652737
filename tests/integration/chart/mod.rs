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

use std::{env, fs, path::{Path, PathBuf}};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::support::chart::{FULLNAME, NAMESPACE, RELEASE, arguments, chart, helm, rendered, repository};

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

/// Checks that a generated file is up to date. With `UPDATE=1`, writes it. `test` names the test that does so.
fn same_as_file(path: &Path, text: &str, test: &str) -> Result<()> {
    if env::var_os("UPDATE").is_some() {
        return Ok(fs::write(path, text)?);
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let hint = format!("UPDATE=1 cargo test --test integration {test}");
    assert!(found == text, "{} is out of date; run: {hint}", path.display());
    Ok(())
}
