//! A stand-in for the nodes: Pods of the operator run as processes of this machine, other Pods only say that they run.
//! The controllers of workloads, which the control plane of the tests does without, run here too.

use std::{collections::BTreeMap, fs, process::Command, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws, process::Process, tools::Tool};
use tokio::task::JoinHandle;

use crate::support::{Operator, chart::account_kubeconfig};

/// File with the last error, in the folder of the control plane.
pub const ERROR: &str = "node-error";
/// Time between two looks at the Pods.
const INTERVAL: Duration = Duration::from_millis(200);

/// It runs until it is dropped.
pub struct Node {
    task: JoinHandle<()>,
    _controllers: Process,
}

/// What the node knows.
struct State {
    plane: Arc<ControlPlane>,
    aws: FakeAws,
    client: Client,
    /// By the uid of their Pods.
    operators: BTreeMap<String, Operator>,
    runs: usize,
}

impl Node {
    pub async fn start(plane: Arc<ControlPlane>, aws: FakeAws) -> Result<Self> {
        let client = plane.client().await?;
        let mut command = Command::new(Tool::KubeControllerManager.path().await?);
        command.arg(
            "--controllers=deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller",
        );
        command.args(["--leader-elect=false", "--secure-port=0", "--kubeconfig"]).arg(plane.kubeconfig());
        let controllers = Process::start("workload-controllers", &command, &plane.folder().join("workloads.log"))?;
        let mut state = State { plane, aws, client, operators: BTreeMap::new(), runs: 0 };
        let task = tokio::spawn(async move {
            loop {
                // What fails is tried again: an object may be gone, or a right may not be there yet.
                if let Err(error) = state.look().await {
                    let _ = fs::write(state.plane.folder().join(ERROR), format!("last error of the node: {error:#}\n"));
                }
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Ok(Self { task, _controllers: controllers })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// Starts what new Pods want, and ends what the Pods that are gone wanted.
    async fn look(&mut self) -> Result<()> {
        let pods = Api::<Pod>::all(self.client.clone()).list(&ListParams::default()).await?.items;
        self.operators.retain(|uid, operator| {
            let stays = pods.iter().any(|pod| pod.uid().as_ref() == Some(uid));
            if !stays {
                let _ = operator.process().signal("TERM");
            }
            stays
        });
        for pod in pods.iter().filter(|pod| !is_ready(pod)) {
            if is_operator(pod) && !self.operator_is_ready(pod).await? {
                continue;
            }
            let namespace = pod.namespace().context("a namespace")?;
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
            let conditions =
                json!([{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]);
            let status = json!({"status": {"phase": "Running", "conditions": conditions}});
            pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        }
        Ok(())
    }

    /// Starts the operator of this Pod if that has not happened. Reports whether it is ready.
    async fn operator_is_ready(&mut self, pod: &Pod) -> Result<bool> {
        let uid = pod.uid().context("a uid")?;
        if !self.operators.contains_key(&uid) {
            self.runs += 1;
            let spec = pod.spec.as_ref().context("a spec")?;
            let account = spec.service_account_name.as_deref().unwrap_or("default");
            let kubeconfig = account_kubeconfig(&self.plane, &pod.namespace().context("a namespace")?, account).await?;
            let arguments = spec.containers[0].args.iter().flatten().map(String::as_str);
            let arguments: Vec<_> = arguments.filter(|text| *text != "run" && !text.starts_with("--listen")).collect();
            let mut environment = self.aws.environment();
            environment.push(("HOSTNAME".to_owned(), pod.name_any()));
            let operator = Operator::start(&kubeconfig, &environment, &arguments, self.plane.folder(), self.runs)?;
            self.operators.insert(uid.clone(), operator);
        }
        Ok(self.operators[&uid].get("/readyz").await?.0 == 200)
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

fn is_operator(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .take(1)
        .any(|container| container.image.as_ref().is_some_and(|i| i.contains("secure-parameter-operator")))
}
