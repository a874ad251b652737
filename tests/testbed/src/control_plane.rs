//! A real Kubernetes control plane on loopback: etcd, kube-apiserver with RBAC, kube-controller-manager.
//!
//! Without a [node](crate::node) there is no scheduler, and Pods stay pending. Everything else behaves as in a cluster.

mod audit;
mod clients;
mod components;
mod files;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use axum::http::Request;
use k8s_openapi::{
    api::core::v1::ServiceAccount, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::PostParams,
    runtime::wait::{Condition, conditions},
};
use tokio::sync::OnceCell;

use crate::{process::Process, tools::Tool, wait::eventually};

pub use self::{
    audit::{AuditLog, Write},
    components::SERVICE_ADDRESS,
    files::NODE,
};

use self::{components::Component, files::Files};

/// Attempts to start. A port that was free can be taken before the server binds it, but hardly three times in a row.
const ATTEMPTS: usize = 3;
/// Longest time until ready. It takes five seconds on two idle cores, and more while the machine builds.
const READY_TIMEOUT: Duration = Duration::from_mins(2);

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// A running control plane. Dropping it, or the end of this process, ends it and removes its files.
///
/// It holds nothing that belongs to an asynchronous runtime. Tests with a runtime each may share one control plane.
#[derive(Debug)]
pub struct ControlPlane {
    url: String,
    port: u16,
    files: Files,
    kubectl: PathBuf,
    // In the order in which they must end.
    scheduler: Option<Process>,
    controller_manager: Process,
    apiserver: Process,
    etcd: Process,
}

/// Program files of a control plane.
struct Programs {
    etcd: PathBuf,
    apiserver: PathBuf,
    controller_manager: PathBuf,
    /// Only for a control plane of a node.
    scheduler: Option<PathBuf>,
    kubectl: PathBuf,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready. Builds its programs first if they do not exist.
    pub async fn start() -> Result<Self> {
        Self::start_with_crds(&[]).await
    }

    /// Like [`ControlPlane::start`], with custom resources that the controllers know from the start.
    ///
    /// The controllers look for new kinds only every 30 seconds, so garbage collection of a kind that is installed later
    /// is delayed by that time.
    pub async fn start_with_crds(crds: &[CustomResourceDefinition]) -> Result<Self> {
        Self::start_with(crds, &[]).await
    }

    /// Like [`ControlPlane::start_with_crds`], with further arguments of the API server.
    pub async fn start_with(crds: &[CustomResourceDefinition], apiserver: &[&str]) -> Result<Self> {
        Self::start_programs(crds, apiserver, None).await
    }

    /// Like [`ControlPlane::start_with_crds`], for a cluster that gets a [node](crate::node): with a scheduler and the controllers of
    /// workloads.
    pub async fn start_for_node(crds: &[CustomResourceDefinition]) -> Result<Self> {
        let plane = Self::start_programs(crds, &[], Some(Tool::KubeScheduler.path().await?)).await?;
        // What the node authorizer would allow in a cluster with several nodes.
        let bind = ["create", "clusterrolebinding", "nodes", "--clusterrole=system:node", "--group=system:nodes"];
        plane.kubectl(bind).await?;
        Ok(plane)
    }

    async fn start_programs(
        crds: &[CustomResourceDefinition],
        apiserver: &[&str],
        scheduler: Option<PathBuf>,
    ) -> Result<Self> {
        let programs = Programs {
            etcd: Tool::Etcd.path().await?,
            apiserver: Tool::KubeApiserver.path().await?,
            controller_manager: Tool::KubeControllerManager.path().await?,
            scheduler,
            kubectl: Tool::Kubectl.path().await?,
        };
        let mut attempt = 1;
        loop {
            match Self::attempt(&programs, crds, apiserver).await {
                Err(error) if attempt < ATTEMPTS && format!("{error:#}").contains("address already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// The control plane that all tests of this process share. The first caller starts it.
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    async fn attempt(programs: &Programs, crds: &[CustomResourceDefinition], apiserver: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("testbed-control-plane-").tempdir()?;
        let [etcd_port, port] = free_ports()?;
        let url = format!("https://127.0.0.1:{port}");
        let files = Files::create(folder.path(), &url)?;
        let etcd = Component::etcd(&files, etcd_port).start(&programs.etcd)?;
        // From now on the supervisor of etcd removes the folder, even if this process is killed.
        let _ = folder.keep();
        let has_node = programs.scheduler.is_some();
        let apiserver =
            Component::apiserver(&files, etcd_port, port, has_node).with(apiserver).start(&programs.apiserver)?;
        let client = files.client(&url, &files.admin_token).await?;
        wait_ready(&client, &[&etcd, &apiserver])
            .await
            .with_context(|| format!("end of the API server's log:\n{}", apiserver.log_tail()))?;
        install(&client, crds).await?;
        let controller_manager = Component::controller_manager(&files, has_node).start(&programs.controller_manager)?;
        let scheduler = programs.scheduler.as_deref().map(|program| Component::scheduler(&files).start(program));
        wait_controllers(&client, &controller_manager).await?;
        let kubectl = programs.kubectl.clone();
        Ok(Self { url, port, files, kubectl, scheduler: scheduler.transpose()?, controller_manager, apiserver, etcd })
    }

    /// Address of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The socket that the API server listens on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Certificate of the authority that signed the API server's certificate, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.files.ca_pem
    }

    /// A kubeconfig of the administrator (group `system:masters`).
    pub fn kubeconfig(&self) -> &Path {
        &self.files.admin_kubeconfig
    }

    /// A folder that is removed with this control plane. Tests may put files into it.
    pub fn folder(&self) -> &Path {
        &self.files.folder
    }

    /// The socket through which the API server reaches the network of its node.
    pub(crate) fn node_socket(&self) -> &Path {
        &self.files.node_socket
    }

    /// The audit log of the API server, from its beginning.
    pub fn audit_log(&self) -> AuditLog {
        AuditLog::new(self.files.audit_log.clone())
    }

    /// The API server's process, for tests that stop or pause it.
    pub fn apiserver(&self) -> &Process {
        &self.apiserver
    }

    /// The process of etcd.
    pub fn etcd(&self) -> &Process {
        &self.etcd
    }

    /// The controller manager's process, for tests that stop or pause it.
    pub fn controller_manager(&self) -> &Process {
        &self.controller_manager
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // All at once, so that dropping takes only as long as the slowest.
        let scheduler = self.scheduler.as_mut().into_iter();
        for process in scheduler.chain([&mut self.controller_manager, &mut self.apiserver, &mut self.etcd]) {
            process.close();
        }
    }
}

/// Waits until the API server is ready. Fails at once if a process that it needs has ended.
async fn wait_ready(client: &Client, processes: &[&Process]) -> Result<()> {
    eventually("the API server to be ready", READY_TIMEOUT, async || {
        for process in processes {
            if let Err(error) = process.ensure_running() {
                return Ok(Some(Err(error)));
            }
        }
        client.request_text(Request::get("/readyz").body(Vec::new())?).await?;
        Ok(Some(Ok(())))
    })
    .await?
}

/// Creates custom resource definitions and waits until their resources are served.
async fn install(client: &Client, crds: &[CustomResourceDefinition]) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in crds {
        api.create(&PostParams::default(), crd).await?;
    }
    for crd in crds {
        let name = crd.name_any();
        eventually("a custom resource to be served", READY_TIMEOUT, async || {
            Ok(conditions::is_crd_established().matches_object(Some(&api.get(&name).await?)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Waits until the controllers work: until they have created the `default` service account.
async fn wait_controllers(client: &Client, controller_manager: &Process) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    eventually("the controllers to work", READY_TIMEOUT, async || {
        if let Err(error) = controller_manager.ensure_running() {
            return Ok(Some(Err(error)));
        }
        Ok(accounts.get_opt("default").await?.map(|_| Ok(())))
    })
    .await?
}

/// Ports that nothing listens on. All are bound before any is released, so that they differ.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::new();
    for _ in 0..N {
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let ports = held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<Result<Vec<_>>>()?;
    ports.try_into().map_err(|_| anyhow!("the number of ports is wrong"))
}
