//! The commands of the pages that need Pods: their logs, their metrics, and what runs in them.

use anyhow::{Result, ensure};
use serde_json::json;
use testbed::fake_aws::Identity;

use super::world::World;
use crate::{
    repo::{
        commands::shell::Shell,
        pages::{Block, Page},
    },
    support::{ACCOUNT, store},
};

/// The mark of blocks that run here.
const MARK: &str = "needs-nodes";
/// What the commands of all blocks have. A `grep` that finds nothing is no failure: nothing is wrong in this cluster. Programs
/// in the background end with their block.
const PRELUDE: &str = "
grep() { command grep \"$@\" || [ $? -eq 1 ]; }
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
";
/// The port of this machine that pages forward. It may be in use, so any other takes its place.
const FORWARDED: [&str; 2] = ["8080:8080", "localhost:8080"];

/// `PAGE=docs/logs.md` tries this page alone.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs what the other test of the node needs; cargo xtask verify runs it"]
async fn every_command_that_needs_pods_works() -> Result<()> {
    let blocks = blocks()?;
    let world = World::start().await?;
    world.install(&[]).await?;
    world.prepare_words().await?;
    world.secret_holds("first").await?;
    // A container that has ended has a former log.
    let leader = world.leader().await?;
    world.kill(&leader)?;
    world.is_restarted(&leader).await?;

    let shell = Shell::create(&world.plane, Vec::new()).await?;
    let mut failed = Vec::new();
    for block in &blocks {
        let commands = format!("{PRELUDE}{}", with_free_port(&block.text)?);
        // Unlike a person, bash can tell if a command failed whose output another one filters.
        let ran = shell.run(&["bash", "-euo", "pipefail", "-c"], &commands, shell.folder()).await;
        failed.extend(ran.err().map(|error| format!("{}: {error:#}", block.origin)));
    }
    ensure!(failed.is_empty(), "{} of {} blocks fail:\n{}", failed.len(), blocks.len(), failed.join("\n"));
    Ok(())
}

/// All blocks that need Pods.
fn blocks() -> Result<Vec<Block>> {
    let only = std::env::var("PAGE").ok();
    let mut blocks = Vec::new();
    for page in Page::all()? {
        if only.as_ref().is_none_or(|only| page.path.as_os_str() == only.as_str()) {
            blocks.extend(page.blocks()?.into_iter().filter(|block| block.language == "sh" && block.mark == MARK));
        }
    }
    ensure!(only.is_some() || blocks.len() >= 25, "only {} blocks were found", blocks.len());
    Ok(blocks)
}

fn with_free_port(commands: &str) -> Result<String> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let [forward, url] = FORWARDED;
    Ok(commands.replace(forward, &format!("{port}:8080")).replace(url, &format!("localhost:{port}")))
}

impl World {
    /// Creates what else the pages name: stores of both kinds under the name of the object.
    async fn prepare_words(&self) -> Result<()> {
        let tenant = Identity::user(ACCOUNT, "tenant");
        self.aws.add_identity(tenant.clone());
        let keys = json!({"access-key-id": tenant.access_key_id, "secret-access-key": tenant.secret_access_key});
        let metadata = |name: &str| json!({"name": name, "namespace": "shop"});
        let keys = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("keys"), "stringData": keys});
        self.apply(&keys).await?;
        let own = json!({
            "apiVersion": "secureparameter.io/v1alpha1",
            "kind": "ParameterStore",
            "metadata": metadata("checkout"),
            "spec": {"region": "eu-central-1", "identity": {"credentialsSecretRef": {"name": "keys"}}},
        });
        for store in [store("checkout", &json!({})), own] {
            self.apply(&store).await?;
        }
        let ready = ["-n", "shop", "wait", "--for=condition=Ready", "--timeout=60s"];
        let stores = ["clusterparameterstore/checkout", "parameterstore/checkout"];
        let waited = self.plane.kubectl(ready.iter().chain(&stores)).await;
        waited.map(drop).map_err(|error| error.context(self.logs()))
    }
}
