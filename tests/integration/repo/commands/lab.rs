//! A cluster for one page, and a shell whose programs use it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use testbed::{
    control_plane::ControlPlane,
    fake_aws::FakeAws,
    moto::Moto,
    tools::{Tool, moto_python_async},
};
use tokio::{process::Command, time::timeout};

use super::{
    super::{
        manifests::{apply, definitions_of_others},
        pages::{Block, Page, root},
    },
    external_secrets,
    node::{self, Node},
};
use crate::support::PATIENCE;

/// What commands use of the repository.
const COPIED: [&str; 5] = ["charts", "crds", "deploy", "examples", "monitoring"];
/// What readers put in place of these words.
const WORDS: [(&str, &str); 6] = [
    ("ACCOUNT", "111122223333"),
    ("CLUSTER", "blue"),
    ("REGION", "eu-central-1"),
    ("REGISTRY", "registry.example"),
    ("NAMESPACE", "shop"),
    ("NAME", "checkout"),
];
/// Beginnings of commands with which a page installs the operator by itself.
const INSTALLS: [&str; 3] = ["helm install", "kubectl apply -k", "kubectl apply -f deploy"];
/// What a page finds that does not install the operator.
const INSTALL: &str = "
helm install secure-parameter-operator charts/secure-parameter-operator --namespace secure-parameter-operator \\
  --create-namespace --wait --set aws.region=eu-central-1,restart.enabled=true
kubectl apply -f examples/00-namespace.yaml
";
/// What it also finds: the state after the start page.
const START: &str = "
kubectl apply -f examples/store.yaml -f examples/checkout.yaml
kubectl -n shop create deployment checkout --image=registry.example/checkout
kubectl -n shop wait --for=condition=Ready --timeout=120s secureparameter/checkout
";

/// A control plane, a stand-in for its nodes, a fake AWS, and a folder with the programs and files that commands use.
pub struct Lab {
    pub plane: Arc<ControlPlane>,
    environment: Vec<(String, String)>,
    /// With copies of what commands use of the repository.
    pub folder: PathBuf,
    /// Where commands begin.
    home: PathBuf,
    _node: Node,
    _moto: Option<Moto>,
}

impl Lab {
    /// Starts everything. The operator is installed, unless the page does that.
    pub async fn start(page: &Page, blocks: &[Block]) -> Result<Self> {
        let (plane, aws) = (ControlPlane::start_with_crds(&definitions_of_others()?).await?, FakeAws::start().await?);
        let plane = Arc::new(plane);
        aws.put("/shop/checkout/db-password", "correct horse");
        aws.put("/shop/checkout/api-token", "token-1");
        let folder = plane.folder().join("lab");
        fs::create_dir_all(folder.join("bin"))?;
        fs::create_dir_all(folder.join(".local/bin"))?;
        // Copies, so that no command changes the repository.
        let sources = COPIED.iter().map(|name| root().join(name)).filter(|path| path.exists());
        let copied = Command::new("cp").arg("-r").args(sources).arg(&folder).status().await?;
        anyhow::ensure!(copied.success(), "the repository cannot be copied");
        let commands: String = runnable(blocks).map(|block| block.text.as_str()).collect();
        let moto = if commands.contains("aws iam") || commands.contains("aws eks") {
            Some(Moto::start().await?)
        } else {
            None
        };
        let mut environment = aws.environment();
        environment.extend(moto.as_ref().map(|moto| ("MOTO_URL".to_owned(), moto.url())));
        programs(&folder.join("bin")).await?;
        let in_book = page.path.starts_with("docs");
        let home = if in_book { folder.clone() } else { folder.join(page.path.parent().context("a folder")?) };
        let node = Node::start(Arc::clone(&plane), aws).await?;
        // Argo CD has its own.
        plane.kubectl(["create", "namespace", "argocd"]).await?;
        let lab = Self { plane, environment, folder, home, _node: node, _moto: moto };
        if !INSTALLS.iter().any(|install| commands.contains(install)) {
            lab.shell(INSTALL, &lab.folder).await?;
            // Whoever moves from another operator does not begin with the start page.
            if page.path != Path::new(external_secrets::PAGE) {
                lab.shell(START, &lab.folder).await?;
            }
        }
        Ok(lab)
    }

    /// Runs the commands of a block. Each block continues where the one before ended: with its variables, in its folder.
    pub async fn run(&mut self, block: &Block) -> Result<()> {
        self.shell(&block.text, &self.home).await.with_context(|| block.origin.clone())
    }

    /// Applies the manifests of a block, unless the page has not come to the definitions yet.
    pub async fn apply(&mut self, block: &Block) -> Result<()> {
        let known = self.plane.kubectl(["get", "crds", "--output=name"]).await?;
        if !known.contains("secureparameter.io") {
            return Ok(());
        }
        apply(&self.plane, &block.text).await.with_context(|| block.origin.clone())
    }

    /// Runs commands. They fail if one of them fails, also before a pipe.
    pub async fn shell(&self, commands: &str, home: &Path) -> Result<()> {
        let state = self.folder.join("state");
        let script = format!(
            "[ -f {state} ] && . {state}\n{commands}\n(export -p; echo \"cd '$PWD'\") > {state}",
            commands = replaced(commands),
            state = state.display()
        );
        let mut command = Command::new("bash");
        command
            .args(["--posix", "-o", "pipefail", "-euc", &script])
            .current_dir(home)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command.env("PATH", format!("{}:{}", self.folder.join("bin").display(), std::env::var("PATH")?));
        command
            .env("HOME", &self.folder)
            .env("KUBECONFIG", self.plane.kubeconfig())
            .env("KUBECACHEDIR", self.folder.join("kubectl"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, self.folder.join("helm"));
        }
        command.envs(self.environment.iter().cloned()).env("AWS_CONFIG_FILE", "/dev/null");
        let output =
            timeout(PATIENCE + Duration::from_secs(60), command.output()).await.context("it does not end")??;
        if !output.status.success() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let node = fs::read_to_string(self.plane.folder().join(node::ERROR)).unwrap_or_default();
            bail!("{}\n{commands}{}{}{node}", output.status, text(&output.stdout), text(&output.stderr));
        }
        Ok(())
    }
}

/// The blocks whose commands run.
fn runnable(blocks: &[Block]) -> impl Iterator<Item = &Block> {
    blocks.iter().filter(|block| block.language == "sh" && block.mark.is_empty())
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
