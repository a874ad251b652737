//! The cluster of the demo: a control plane that it starts, or an existing one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use testbed::{control_plane::ControlPlane, tools::Tool};
use tokio::process::Command;

use super::show::{command, text};

/// A cluster, and a folder for files of the demo.
pub struct Cluster {
    plane: Option<ControlPlane>,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    folder: TempDir,
    name: String,
}

impl Cluster {
    /// Uses a context of the current kubeconfig, or starts a control plane.
    pub async fn start(context: Option<&str>) -> Result<Self> {
        let kubectl = Tool::Kubectl.path().await?;
        let folder = TempDir::new()?;
        let Some(context) = context else {
            let plane = ControlPlane::start().await?;
            let (kubeconfig, name) = (plane.kubeconfig().to_owned(), plane.url().to_owned());
            return Ok(Self { plane: Some(plane), kubectl, kubeconfig, folder, name });
        };
        let view = ["config", "view", "--raw", "--minify", "--flatten", "--context", context];
        let output = Command::new(&kubectl).args(view).output().await?;
        ensure!(output.status.success(), "kubectl: {}", String::from_utf8_lossy(&output.stderr).trim());
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, &output.stdout)?;
        text("This applies crds/ and examples/ to that cluster and leaves them there. To remove them:")?;
        text("kubectl delete -f examples/ -f crds/")?;
        Ok(Self { plane: None, kubectl, kubeconfig, folder, name: format!("context {context}") })
    }

    /// A name to show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kubeconfig of the cluster.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A folder that is removed when the demo ends.
    pub fn folder(&self) -> &Path {
        self.plane.as_ref().map_or(self.folder.path(), ControlPlane::folder)
    }

    /// Runs kubectl in `directory` and returns what it printed.
    pub async fn kubectl(&self, arguments: &[&str], directory: &Path) -> Result<String> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.args(arguments).env("KUBECONFIG", &self.kubeconfig).current_dir(directory);
        let output = kubectl.kill_on_drop(true).output().await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {}: {}", arguments.join(" "), errors.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs kubectl, and shows the command and what it printed.
    pub async fn show(&self, arguments: &[&str], directory: &Path) -> Result<()> {
        command(&format!("kubectl {}", arguments.join(" ")))?;
        text(&self.kubectl(arguments, directory).await?)
    }

    /// The data of a Secret.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let json = self.kubectl(&["-n", namespace, "get", "secret", name, "-o", "json"], Path::new(".")).await?;
        let secret: serde_json::Value = serde_json::from_str(&json)?;
        let data = secret["data"].as_object().context("a Secret without data")?;
        let decoded =
            data.iter().map(|(key, value)| Ok((key.clone(), STANDARD.decode(value.as_str().unwrap_or_default())?)));
        decoded.collect()
    }
}
