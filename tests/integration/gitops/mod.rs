//! The examples for Argo CD and Flux: what they render is accepted and stays as it is, and what they conclude from the
//! operator's reports is right.

mod actions;
mod argocd;
mod flux;
mod health;
mod recorded;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::tools::Tool;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::chart::repository;

/// A file or folder below `examples/`.
fn example(path: &str) -> PathBuf {
    repository().join("examples").join(path)
}

/// A file of Argo CD's folder for one of our kinds.
fn customization(kind: &str, path: &str) -> PathBuf {
    example("argocd/resource_customizations/secureparameter.io").join(kind).join(path)
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn yaml(path: &Path) -> Result<Value> {
    serde_yaml::from_str(&text(path)?).with_context(|| path.display().to_string())
}

/// Runs a script as Argo CD does, with the Lua that it uses. Returns what the script returns.
async fn lua(script: &str, object: &Value) -> Result<Value> {
    let program = Tool::Lua.path().await?;
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let input = json!({"script": script, "obj": object}).to_string();
    child.stdin.take().context("an input")?.write_all(input.as_bytes()).await?;
    let output = child.wait_with_output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
