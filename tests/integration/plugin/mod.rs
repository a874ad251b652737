//! The kubectl plugin: what it prints about worlds that are fine and worlds that are not, with the rights of the roles that
//! it asks for.

mod answers;
mod diff;
mod errors;
mod golden;
mod requests;
mod worlds;

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::wait::eventually;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::support::{
    PATIENCE, World,
    chart::{account_kubeconfig, rendered},
};

/// A part of every value, which no output may contain.
const VALUE: &str = "must-never-be-shown";

/// What a command did.
#[derive(Debug)]
struct Outcome {
    code: i32,
    output: String,
    error: String,
}

/// Somebody who uses the plugin.
struct User {
    kubeconfig: PathBuf,
    program: PathBuf,
}

impl User {
    /// A user with one of the roles of Kubernetes, in the whole cluster, as the chart extends it.
    async fn with_role(world: &World, role: &str) -> Result<Self> {
        for object in rendered(&["--set=crds.install=false"]).await? {
            let labels = object["metadata"]["labels"].as_object();
            if labels.is_some_and(|labels| labels.keys().any(|label| label.contains("aggregate-to"))) {
                world.apply(&object).await?;
            }
        }
        let name = format!("user-{role}");
        world.plane.kubectl(["create", "serviceaccount", &name, "--namespace=default"]).await?;
        let (role_flag, account) = (format!("--clusterrole={role}"), format!("--serviceaccount=default:{name}"));
        world.plane.kubectl(["create", "clusterrolebinding", &name, &role_flag, &account]).await?;
        let user = Self::of(world, account_kubeconfig(&world.plane, "default", &name).await?)?;
        // The controller manager aggregates roles, which takes it a moment.
        eventually(&format!("role {role} to be extended"), PATIENCE, async || {
            let verb = if role == "edit" { "patch" } else { "list" };
            let asked = format!("--as=system:serviceaccount:default:{name}");
            let right = ["auth", "can-i", verb, "secureparameters.secureparameter.io", &asked];
            let may_view = !user.run(&["status", "-A"]).await?.error.contains("may not");
            Ok((may_view && world.plane.kubectl(right).await.is_ok()).then_some(()))
        })
        .await?;
        Ok(user)
    }

    /// An administrator.
    fn admin(world: &World) -> Result<Self> {
        Self::of(world, world.plane.kubeconfig().to_owned())
    }

    fn of(world: &World, kubeconfig: PathBuf) -> Result<Self> {
        Ok(Self { kubeconfig, program: plugin_in(world.plane.folder())? })
    }

    /// Runs the plugin, with no environment but the kubeconfig.
    async fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        self.run_with(arguments, "").await
    }

    /// Runs the plugin with a standard input.
    async fn run_with(&self, arguments: &[&str], input: &str) -> Result<Outcome> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().env("KUBECONFIG", &self.kubeconfig);
        ended(command, input).await
    }

    /// Runs the plugin for a namespace, which must succeed. Returns what it prints.
    async fn prints(&self, arguments: &[&str]) -> Result<String> {
        let outcome = self.run(arguments).await?;
        ensure!(outcome.code == 0 && outcome.error.is_empty(), "{arguments:?}: {outcome:?}");
        Ok(outcome.output)
    }

    /// Runs the plugin, which must fail with nothing but one sentence that contains all `parts`.
    async fn is_told(&self, arguments: &[&str], parts: &[&str]) -> Result<()> {
        let Outcome { code, output, error } = self.run(arguments).await?;
        ensure!(code == 1 && output.is_empty(), "{arguments:?}: {code} {output}");
        ensure!(error.ends_with(".\n") && error.lines().count() == 1, "not one sentence: {error:?}");
        for part in parts {
            ensure!(error.contains(part), "{arguments:?}: {error:?} lacks {part:?}");
        }
        Ok(())
    }
}

/// Runs a command to its end, and checks that it prints no value.
async fn ended(mut command: Command, input: &str) -> Result<Outcome> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // A command that does not read its input closes it early. That is no error here.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let ended = timeout(PATIENCE, child.wait_with_output()).await.context("the command does not end")??;
    let (output, error) = (String::from_utf8(ended.stdout)?, String::from_utf8(ended.stderr)?);
    ensure!(!output.contains(VALUE) && !error.contains(VALUE), "a value leaked: {output}{error}");
    Ok(Outcome { code: ended.status.code().context("a signal ended the command")?, output, error })
}

/// The plugin: a link to the operator's program with the name that kubectl looks for.
fn plugin_in(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("kubectl-secureparam");
    if !path.exists() {
        symlink(env!("CARGO_BIN_EXE_secure-parameter-operator"), &path)?;
    }
    Ok(path)
}

/// Parses what the plugin printed for scripts.
fn json_of(outcome: &Outcome) -> Result<Value> {
    serde_json::from_str(&outcome.output).with_context(|| format!("{outcome:?}"))
}

/// A namespace.
fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}
