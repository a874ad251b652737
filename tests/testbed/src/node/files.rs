//! The files of a node: configurations of containerd, of its network and of the kubelet, and its logs.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::json;

use super::{PAUSE, cgroups};
use crate::{control_plane::NODE, tools::NodePrograms};

/// Number of lines of each log that an error quotes.
const TAIL_LINES: usize = 15;

/// Files of one node. All are in `folder`.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
}

impl Files {
    /// Writes the configurations of a node.
    pub(super) fn create(folder: &Path, programs: &NodePrograms) -> Result<Self> {
        let network = folder.join("network");
        fs::create_dir_all(&network).with_context(|| network.display().to_string())?;
        let files = Self { folder: folder.to_owned() };
        files.write("node.sh", include_str!("node.sh"))?;
        files.write("containerd.toml", &containerd(programs, &network))?;
        // JSON is valid YAML.
        files.write("kubelet.yaml", &kubelet(&files.pod_logs()).to_string())?;
        files.write("network/bridge.conflist", &bridge().to_string())?;
        Ok(files)
    }

    /// The command that runs the node in namespaces of its own.
    pub(super) fn command(&self, programs: &NodePrograms, addresses: &[Ipv4Addr], archives: &[PathBuf]) -> Command {
        let mut command = Command::new("unshare");
        // If `unshare` is killed, the first process of the node is killed too, and with it all others.
        command.args(["--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc", "sh"]);
        command.arg(self.folder.join("node.sh")).arg(&self.folder).arg(&programs.folder).arg(NODE);
        command.arg(addresses.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(" ")).args(archives);
        command
    }

    /// The file for the kubeconfig of the kubelet.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubelet.kubeconfig")
    }

    /// The logs of all containers of Pods whose name begins with `prefix`.
    pub(super) fn pod_log(&self, prefix: &str) -> String {
        let is_of_pod = |path: &PathBuf| {
            // Folders are called NAMESPACE_NAME_UID.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.split('_').nth(1).is_some_and(|pod| pod.starts_with(prefix))
        };
        let mut files: Vec<_> = entries(&self.pod_logs()).into_iter().filter(is_of_pod).collect();
        files = files.iter().flat_map(|pod| entries(pod)).flat_map(|container| entries(&container)).collect();
        files.sort();
        files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
    }

    /// The ends of the logs of the node's own programs.
    pub(super) fn log_tails(&self) -> String {
        let tails = ["node", "containerd", "images", "kubelet"].map(|name| {
            let text = fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("{name}:\n{}", lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
        });
        format!("ends of the node's logs:\n{}", tails.join("\n"))
    }

    fn pod_logs(&self) -> PathBuf {
        self.folder.join("pods")
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

/// What a folder holds; nothing if it does not exist.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn containerd(programs: &NodePrograms, network: &Path) -> String {
    let (programs, network) = (programs.folder.display(), network.display());
    format!(
        r#"version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE}"
[plugins."io.containerd.cri.v1.runtime"]
# A process without the right to lower its score, as in most sandboxes, cannot start containers otherwise.
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{programs}"]
conf_dir = "{network}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{programs}/runc"
"#
    )
}

fn kubelet(pod_logs: &Path) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "podLogsDir": pod_logs,
        // Only the API server and Pods reach it.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", cgroups::name()),
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        // Machines with the older cgroups can run the node too.
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "makeIPTablesUtilChains": false,
        // A full disk of this machine is no reason to evict the few Pods of a test.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "resolvConf": "",
    })
}

fn bridge() -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "pods",
            "isDefaultGateway": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/16"}]], "dataDir": "/run/pods"},
        }],
    })
}
