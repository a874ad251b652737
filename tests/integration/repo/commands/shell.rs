//! A shell whose programs use a cluster.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use testbed::{
    control_plane::{ControlPlane, NODE},
    tools::{Tool, moto_python_async},
};
use tokio::{process::Command, time::timeout};

use super::super::pages::root;
use crate::support::PATIENCE;

/// What commands use of the repository.
const COPIED: [&str; 5] = ["charts", "crds", "deploy", "examples", "monitoring"];
/// What readers put in place of these words.
const WORDS: [(&str, &str); 8] = [
    ("ACCOUNT", "111122223333"),
    ("CLUSTER", "blue"),
    ("REGION", "eu-central-1"),
    ("REGISTRY", "registry.example"),
    ("NAMESPACE", "shop"),
    ("NAME", "checkout"),
    ("NODE", NODE),
    ("SECRET", "checkout"),
];

/// A folder with the programs and files that commands use.
pub struct Shell {
    environment: Vec<(String, String)>,
    folder: PathBuf,
}

impl Shell {
    /// Fills a folder in that of the control plane.
    pub async fn create(plane: &ControlPlane, mut environment: Vec<(String, String)>) -> Result<Self> {
        let folder = plane.folder().join("lab");
        fs::create_dir_all(folder.join("bin"))?;
        fs::create_dir_all(folder.join(".local/bin"))?;
        // Copies, so that no command changes the repository.
        let sources = COPIED.iter().map(|name| root().join(name)).filter(|path| path.exists());
        let copied = Command::new("cp").arg("-r").args(sources).arg(&folder).status().await?;
        anyhow::ensure!(copied.success(), "the repository cannot be copied");
        programs(&folder.join("bin")).await?;
        let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH")?);
        let shown = |path: &Path| path.display().to_string();
        environment.extend([
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), shown(&folder)),
            ("KUBECONFIG".to_owned(), shown(plane.kubeconfig())),
            ("KUBECACHEDIR".to_owned(), shown(&folder.join("kubectl"))),
            ("AWS_CONFIG_FILE".to_owned(), "/dev/null".to_owned()),
        ]);
        let helm = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];
        environment.extend(helm.map(|name| (name.to_owned(), shown(&folder.join("helm")))));
        Ok(Self { environment, folder })
    }

    /// Where commands find what the repository has.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs commands by `interpreter`, which takes them as its last argument. They continue where those before ended: with
    /// their variables, in their folder, or in `home` at first.
    pub async fn run(&self, interpreter: &[&str], commands: &str, home: &Path) -> Result<()> {
        let state = self.folder.join("state");
        let script = format!(
            "[ -f {state} ] && . {state}\n{commands}\n(export -p; echo \"cd '$PWD'\") > {state}",
            commands = replaced(commands),
            state = state.display()
        );
        let mut command = Command::new(interpreter[0]);
        command.args(&interpreter[1..]).arg(&script).current_dir(home).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.environment.iter().cloned());
        let output =
            timeout(PATIENCE + Duration::from_secs(60), command.output()).await.context("it does not end")??;
        if !output.status.success() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            bail!("{}\n{commands}{}{}", output.status, text(&output.stdout), text(&output.stderr));
        }
        Ok(())
    }
}

/// Fills a folder for PATH: the test bed's clients, the operator, and `aws` for the fake.
async fn programs(bin: &Path) -> Result<()> {
    symlink(Tool::Kubectl.path().await?, bin.join("kubectl"))?;
    symlink(Tool::Helm.path().await?, bin.join("helm"))?;
    for name in ["secure-parameter-operator", "kubectl-secureparam"] {
        symlink(env!("CARGO_BIN_EXE_secure-parameter-operator"), bin.join(name))?;
    }
    let python = moto_python_async().await?;
    let aws = bin.join("aws");
    fs::write(
        &aws,
        format!(
            "#!{} -I\n{}",
            python.display(),
            fs::read_to_string(root().join("tests/integration/repo/commands/aws.py"))?
        ),
    )?;
    Ok(fs::set_permissions(&aws, fs::Permissions::from_mode(0o755))?)
}

/// The commands with what a reader would put in place of words in capitals.
fn replaced(commands: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut result = String::new();
    let mut rest = commands;
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let word = &word[..word.find(|c| !is_word(c)).unwrap_or(word.len())];
        let is_variable = rest[..start].ends_with(['$', '{']) || rest[start + word.len()..].starts_with('=');
        let replacement = WORDS.iter().find(|(name, _)| *name == word && !is_variable).map_or(word, |(_, value)| value);
        result += &rest[..start];
        result += replacement;
        rest = &rest[start + word.len()..];
    }
    result + rest
}
