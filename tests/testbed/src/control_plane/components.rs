//! The command lines of etcd, kube-apiserver and kube-controller-manager.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::process::{Options, Process};

use super::files::Files;

/// Controllers whose effects tests and users see. The others would cost time and memory.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,\
     serviceaccount-token-controller,clusterrole-aggregation-controller,root-ca-certificate-publisher-controller,\
     validatingadmissionpolicy-status-controller";
/// Those that a cluster with a node needs besides, for workloads.
const WORKLOAD_CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,disruption-controller,\
     endpointslice-controller,node-lifecycle-controller";
/// Address of the service `kubernetes`: the first of the range of services.
pub const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Issuer of tokens of service accounts, with the usual value.
pub(super) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// One program of a control plane with its arguments.
pub(super) struct Component {
    name: &'static str,
    arguments: Vec<String>,
    log: PathBuf,
    options: Options,
}

impl Component {
    /// etcd, on `port`. It ends last and removes the folder of the control plane.
    pub(super) fn etcd(files: &Files, port: u16) -> Self {
        let url = format!("http://127.0.0.1:{port}");
        let arguments = [
            flag("data-dir", files.folder.join("etcd").display()),
            flag("listen-client-urls", &url),
            flag("advertise-client-urls", &url),
            // Not used with a single member. etcd picks a port.
            flag("listen-peer-urls", "http://127.0.0.1:0"),
            // The data is temporary, and syncing to disk is slow.
            "--unsafe-no-fsync".to_owned(),
            flag("log-level", "warn"),
        ];
        let mut component = Self::new("etcd", files, arguments);
        component.options.remove = Some(files.folder.clone());
        component
    }

    /// The API server, on `port`, with etcd on `etcd_port`.
    pub(super) fn apiserver(files: &Files, etcd_port: u16, port: u16, has_node: bool) -> Self {
        let arguments = [
            flag("etcd-servers", format_args!("http://127.0.0.1:{etcd_port}")),
            flag("bind-address", "127.0.0.1"),
            flag("secure-port", port),
            flag("advertise-address", "127.0.0.1"),
            // A loopback address is not a valid endpoint of the service `kubernetes`.
            flag("endpoint-reconciler-type", "none"),
            flag("service-cluster-ip-range", "10.0.0.0/24"),
            flag("cert-dir", files.folder.display()),
            flag("tls-cert-file", files.serving_certificate.display()),
            flag("tls-private-key-file", files.serving_key.display()),
            flag("token-auth-file", files.tokens.display()),
            flag("authorization-mode", "RBAC"),
            flag("service-account-issuer", ISSUER),
            flag("service-account-signing-key-file", files.account_key.display()),
            flag("service-account-key-file", files.account_public_key.display()),
            flag("audit-policy-file", files.audit_policy.display()),
            flag("audit-log-path", files.audit_log.display()),
            // The node's name means nothing to this machine.
            flag("kubelet-preferred-address-types", "InternalIP"),
        ];
        let mut component = Self::new("kube-apiserver", files, arguments);
        if has_node {
            component.arguments.push(flag("egress-selector-config-file", files.egress.display()));
        }
        component
    }

    /// The controllers, those of workloads too if they have a node to run on.
    pub(super) fn controller_manager(files: &Files, has_node: bool) -> Self {
        let controllers =
            if has_node { format!("{CONTROLLERS},{WORKLOAD_CONTROLLERS}") } else { CONTROLLERS.to_owned() };
        let arguments = [
            flag("kubeconfig", files.controller_manager_kubeconfig.display()),
            flag("controllers", controllers),
            flag("use-service-account-credentials", true),
            flag("service-account-private-key-file", files.account_key.display()),
            flag("root-ca-file", files.ca.display()),
            flag("leader-elect", false),
            // Nothing here uses its endpoints.
            flag("secure-port", 0),
            // With the default limits, deleting a namespace is slow.
            flag("kube-api-qps", 500),
            flag("kube-api-burst", 1000),
        ];
        Self::new("kube-controller-manager", files, arguments)
    }

    /// What assigns Pods to the node.
    pub(super) fn scheduler(files: &Files) -> Self {
        let arguments = [
            flag("kubeconfig", files.scheduler_kubeconfig.display()),
            flag("leader-elect", false),
            // Nothing here uses its endpoints.
            flag("secure-port", 0),
        ];
        Self::new("kube-scheduler", files, arguments)
    }

    fn new<const N: usize>(name: &'static str, files: &Files, arguments: [String; N]) -> Self {
        // A short grace period, because the data is temporary and the API server shuts down slowly.
        let options = Options { grace_seconds: 0, ..Options::default() };
        Self { name, arguments: arguments.into(), log: files.folder.join(format!("{name}.log")), options }
    }

    /// Adds arguments.
    pub(super) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Starts the component from its program file.
    pub(super) fn start(self, program: &Path) -> Result<Process> {
        let mut command = Command::new(program);
        command.args(&self.arguments);
        Process::start_with(self.name, &command, &self.log, &self.options)
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
