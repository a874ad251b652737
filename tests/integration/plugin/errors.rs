//! What the plugin says where it cannot work: one sentence.

use std::fs;

use anyhow::Result;
use testbed::control_plane::ControlPlane;

use super::{User, plugin_in};
use crate::support::World;

/// Every command that looks, with what it needs.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["tree", "-A"],
    &["sync", "--all"],
    &["suspend", "checkout"],
    &["resume", "checkout"],
    &["diff", "checkout"],
    &["can-i", "/a"],
];

#[tokio::test]
async fn a_cluster_that_cannot_be_used_is_explained() -> Result<()> {
    let plane = ControlPlane::start().await?;
    let admin = User { kubeconfig: plane.kubeconfig().to_owned(), program: plugin_in(plane.folder())? };
    for command in COMMANDS {
        let parts = ["does not have the definitions of secureparameter.io", "install the chart"];
        admin.is_told(command, &parts).await?;
    }
    let file = |name: &str, text: &str| -> Result<String> {
        let path = plane.folder().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let kubeconfig = fs::read_to_string(plane.kubeconfig())?;
    // Nothing listens on port 1.
    let nobody = file("nobody", &kubeconfig.replace(plane.url(), "https://127.0.0.1:1"))?;
    for command in COMMANDS {
        let parts = ["the API server cannot be reached", "check the kubeconfig"];
        admin.is_told(&[*command, &["--kubeconfig", &nobody]].concat(), &parts).await?;
    }
    let path = plane.folder().join("stranger");
    plane.write_kubeconfig("no-token", &path)?;
    let stranger = path.display().to_string();
    admin.is_told(&["status", "--kubeconfig", &stranger], &["does not accept the credentials", "log in"]).await?;
    admin.is_told(&["status", "--context", "absent"], &["kubeconfig cannot be used", "--context"]).await?;
    let missing = plane.folder().join("missing").display().to_string();
    admin.is_told(&["status", "--kubeconfig", &missing], &["kubeconfig cannot be used", "missing"]).await
}

#[tokio::test]
async fn what_does_not_exist_is_said() -> Result<()> {
    let world = World::without_operator().await?;
    let admin = User::admin(&world)?;
    let names: [&[&str]; 6] = [&["status"], &["tree"], &["sync"], &["suspend"], &["resume"], &["diff"]];
    for command in names {
        let parts = ["SecureParameter shop/absent does not exist", "correct the name or --namespace"];
        admin.is_told(&[command, &["absent", "-n", "shop"]].concat(), &parts).await?;
    }
    world.plane.kubectl(["delete", "clusterparameterstore", "default"]).await?;
    for command in ["status", "tree"] {
        let printed = admin.prints(&[command, "-n", "shop"]).await?;
        assert_eq!(printed, "There is no SecureParameter and no store in namespace shop.\n");
    }
    let printed = admin.prints(&["status", "-A"]).await?;
    assert_eq!(printed, "There is no SecureParameter and no store in the cluster.\n");
    admin.is_told(&["can-i", "/shop/a", "-n", "shop"], &["no such ClusterParameterStore"]).await
}
