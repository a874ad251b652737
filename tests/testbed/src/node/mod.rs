//! A real node: containerd, runc, a bridge network and a kubelet, in namespaces of its own on this machine.
//!
//! Nothing of the machine changes: the node has its own network, process ids and mounts, which vanish with its first
//! process. Pods reach the API server, and whatever else is [forwarded](Node::forward), at addresses that only the node has.
//!
//! It takes root on Linux, the programs `unshare`, `mount` and `ip`, and the headers of libseccomp, since Pods of the restricted
//! profile ask for a seccomp profile.

mod cgroups;
mod files;
mod image;
mod network;
mod processes;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Node as KubeNode;
use kube::Api;

use crate::{
    control_plane::{ControlPlane, NODE, SERVICE_ADDRESS},
    process::{Options, Process},
    tools::{has_header, in_path, node_programs},
    wait::eventually,
};

use self::{files::Files, network::Network};

pub use self::image::PAUSE;

/// Longest time until the node is ready.
const READY_TIMEOUT: Duration = Duration::from_mins(3);
/// Address of the node itself.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
/// Address at which Pods reach what tests forward.
const FORWARDED: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 2);

/// A node that runs. Dropping it, or the end of this process, ends it with everything on it.
#[derive(Debug)]
pub struct Node {
    process: Process,
    network: Network,
    files: Files,
}

impl Node {
    /// What this machine lacks to run a node; `None` if nothing.
    pub fn lacks() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("a node needs root".to_owned());
        }
        let missing = ["unshare", "mount", "ip"].into_iter().find(|program| in_path(program).is_none());
        if let Some(program) = missing {
            return Some(format!("a node needs the program `{program}`"));
        }
        let has_headers = has_header("seccomp.h");
        (!has_headers)
            .then(|| "a node needs the headers of libseccomp (package libseccomp-dev or libseccomp-devel)".to_owned())
    }

    /// Starts a node of `plane`, which must have been started for one, and waits until it is ready. Builds its programs first
    /// if they do not exist. Its containers may run the images of these OCI archives, and [`PAUSE`], which waits for its end.
    pub async fn start(plane: &ControlPlane, archives: &[PathBuf]) -> Result<Self> {
        if let Some(lack) = Self::lacks() {
            bail!("{lack}");
        }
        let programs = tokio::task::spawn_blocking(node_programs).await??;
        cgroups::remove_unused();
        let files = Files::create(&plane.folder().join("node"), &programs)?;
        plane.write_node_kubeconfig(&format!("https://{SERVICE_ADDRESS}"), &files.kubeconfig())?;
        let mut archives = archives.to_vec();
        archives.push(image::write_pause(&programs, &files.folder)?);
        let options = Options { grace_seconds: 0, ..Options::default() };
        let command = files.command(&programs, &[ADDRESS, SERVICE_ADDRESS, FORWARDED], &archives);
        let process = Process::start_with(NODE, &command, &files.folder.join("node.log"), &options)?;
        let network = Network::of(process.id());
        let node = Self { process, network, files };
        eventually("the node to have its addresses", READY_TIMEOUT, async || {
            node.process.ensure_running()?;
            node.network.forward(SocketAddr::from((SERVICE_ADDRESS, 443)), plane.address()).map(Some)
        })
        .await?;
        node.network.open(plane.node_socket())?;
        node.ready(plane).await.with_context(|| node.files.log_tails())?;
        Ok(node)
    }

    /// Lets Pods reach a server of this machine. Returns the address for Pods, with the same port.
    pub fn forward(&self, server: SocketAddr) -> Result<SocketAddr> {
        let address = SocketAddr::from((FORWARDED, server.port()));
        self.network.forward(address, server)?;
        Ok(address)
    }

    /// The logs of the Pods whose name begins with `prefix`, as far as the kubelet still has them.
    pub fn log(&self, prefix: &str) -> String {
        self.files.pod_log(prefix)
    }

    /// The process ids, as this machine counts them, of the processes that run `program` on the node.
    pub fn processes(&self, program: &str) -> Vec<u32> {
        processes::below(self.process.id(), program)
    }

    async fn ready(&self, plane: &ControlPlane) -> Result<()> {
        let nodes: Api<KubeNode> = Api::all(plane.client().await?);
        eventually("the node to be ready", READY_TIMEOUT, async || {
            if let Err(error) = self.process.ensure_running() {
                return Ok(Some(Err(error)));
            }
            let conditions = nodes.get(NODE).await?.status.and_then(|status| status.conditions).unwrap_or_default();
            let is_ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
            Ok(is_ready.then_some(Ok(())))
        })
        .await?
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // An error cannot be returned here; the next node tries again.
        let _ = self.process.stop();
        cgroups::remove_unused();
    }
}
