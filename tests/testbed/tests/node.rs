//! The node runs Pods.
#![cfg(target_os = "linux")]

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testbed::{
    control_plane::ControlPlane,
    node::{Node, PAUSE},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds a kubelet and a container runtime; cargo xtask verify runs it"]
async fn a_deployment_runs_on_the_node() -> Result<()> {
    let plane = ControlPlane::start_for_node(&[]).await?;
    let node = Node::start(&plane, &[]).await?;
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "pause"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "pause"}},
            "template": {
                "metadata": {"labels": {"app": "pause"}},
                "spec": {"containers": [{"name": "pause", "image": PAUSE}]},
            },
        },
    });
    plane.kubectl_stdin(["apply", "-f", "-"], &deployment.to_string()).await?;
    plane.kubectl(["rollout", "status", "deployment/pause", "--timeout=120s"]).await?;
    // One for each container, and one for each Pod.
    assert_eq!(node.processes("pause").len(), 4);
    let processes = node.processes("pause");
    drop(node);
    testbed::wait::eventually("the processes of the node to end", Duration::from_secs(10), async || {
        let is_gone = |id: &u32| !std::path::Path::new(&format!("/proc/{id}/exe")).exists();
        Ok(processes.iter().all(is_gone).then_some(()))
    })
    .await
}
