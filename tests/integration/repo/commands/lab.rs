//! A cluster for one page.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws, moto::Moto};

use super::{
    super::{
        manifests::{apply, definitions_of_others},
        pages::{Block, Page},
    },
    external_secrets,
    node::{self, Node},
    shell::Shell,
};

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

/// A control plane, a stand-in for its nodes, a fake AWS, and a shell that uses them.
pub struct Lab {
    pub plane: Arc<ControlPlane>,
    shell: Shell,
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
        let commands: String = runnable(blocks).map(|block| block.text.as_str()).collect();
        let moto = if commands.contains("aws iam") || commands.contains("aws eks") {
            Some(Moto::start().await?)
        } else {
            None
        };
        let mut environment = aws.environment();
        environment.extend(moto.as_ref().map(|moto| ("MOTO_URL".to_owned(), moto.url())));
        let shell = Shell::create(&plane, environment).await?;
        let in_book = page.path.starts_with("docs");
        let folder = shell.folder();
        let home = if in_book { folder.to_owned() } else { folder.join(page.path.parent().context("a folder")?) };
        let node = Node::start(Arc::clone(&plane), aws).await?;
        // Argo CD has its own.
        plane.kubectl(["create", "namespace", "argocd"]).await?;
        let lab = Self { plane, shell, home, _node: node, _moto: moto };
        if !INSTALLS.iter().any(|install| commands.contains(install)) {
            lab.shell(INSTALL, lab.folder()).await?;
            // Whoever moves from another operator does not begin with the start page.
            if page.path != Path::new(external_secrets::PAGE) {
                lab.shell(START, lab.folder()).await?;
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

    /// Where commands find what the repository has.
    pub fn folder(&self) -> &Path {
        self.shell.folder()
    }

    /// Runs commands. They fail if one of them fails, also before a pipe.
    pub async fn shell(&self, commands: &str, home: &Path) -> Result<()> {
        let interpreter = ["bash", "--posix", "-o", "pipefail", "-euc"];
        self.shell.run(&interpreter, commands, home).await.map_err(|error| {
            let node = fs::read_to_string(self.plane.folder().join(node::ERROR)).unwrap_or_default();
            anyhow!("{error:#}{node}")
        })
    }
}

/// The blocks whose commands run.
fn runnable(blocks: &[Block]) -> impl Iterator<Item = &Block> {
    blocks.iter().filter(|block| block.language == "sh" && block.mark.is_empty())
}
