//! The command `iam`: the policies that it prints are right, and enough.

mod enforced;
mod printed;

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::support::PATIENCE;

/// What the command did.
struct Outcome {
    succeeded: bool,
    output: String,
    error: String,
}

/// Runs the command with these arguments in the folder of the repository, with this text on standard input.
async fn iam(kubeconfig: &Path, arguments: &[&str], input: &str) -> Result<Outcome> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    command.arg("iam").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env_clear().env("KUBECONFIG", kubeconfig).kill_on_drop(true);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut process = command.stderr(std::process::Stdio::piped()).spawn()?;
    let mut stdin = process.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = timeout(PATIENCE, process.wait_with_output()).await.context("the command does not end")??;
    Ok(Outcome {
        succeeded: output.status.success(),
        output: String::from_utf8(output.stdout)?,
        error: String::from_utf8(output.stderr)?,
    })
}

/// Runs the command for JSON, and returns the identities.
async fn identities(kubeconfig: &Path, arguments: &[&str], input: &str) -> Result<Vec<Value>> {
    let arguments = [&["--output", "json"], arguments].concat();
    let outcome = iam(kubeconfig, &arguments, input).await?;
    anyhow::ensure!(outcome.succeeded, "{}", outcome.error);
    let mut printed: Value = serde_json::from_str(&outcome.output)?;
    let Value::Array(identities) = printed["identities"].take() else { anyhow::bail!("no identities") };
    Ok(identities)
}

/// The identity of the store with this name.
fn of_store<'a>(identities: &'a [Value], name: &str) -> Result<&'a Value> {
    identities.iter().find(|identity| identity["name"] == name).with_context(|| format!("no identity of {name}"))
}
