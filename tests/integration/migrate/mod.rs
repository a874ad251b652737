//! The command `migrate`: what it prints for objects of External Secrets Operator, and that a Secret changes hands without
//! a change.

mod printed;
mod taken_over;

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::support::PATIENCE;

/// Runs the command with these arguments in the folder of the manifests, with this text on standard input.
async fn migrate(kubeconfig: &Path, arguments: &[&str], input: &str) -> Result<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    command.arg("migrate").args(arguments).current_dir(manifests());
    command.env_clear().env("KUBECONFIG", kubeconfig).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn()?;
    let mut stdin = process.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = timeout(PATIENCE, process.wait_with_output()).await.context("the command does not end")??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn manifests() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/migrate/manifests"))
}
