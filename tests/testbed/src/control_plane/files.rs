//! The files of a control plane: certificates, keys, tokens, kubeconfigs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::json;
use uuid::Uuid;

use super::{audit, components::SERVICE_ADDRESS};

/// Paths and secrets of one control plane. All files are in `folder`.
#[derive(Debug)]
pub(super) struct Files {
    pub folder: PathBuf,
    pub ca: PathBuf,
    pub ca_pem: String,
    pub serving_certificate: PathBuf,
    pub serving_key: PathBuf,
    /// Private key that signs tokens of service accounts.
    pub account_key: PathBuf,
    /// Public key that verifies tokens of service accounts.
    pub account_public_key: PathBuf,
    pub tokens: PathBuf,
    pub audit_policy: PathBuf,
    pub audit_log: PathBuf,
    /// What the API server does to reach the node that it may have.
    pub egress: PathBuf,
    /// Where the network of that node is open to it.
    pub node_socket: PathBuf,
    pub admin_token: String,
    pub admin_kubeconfig: PathBuf,
    pub controller_manager_kubeconfig: PathBuf,
    pub scheduler_kubeconfig: PathBuf,
    /// Token of the kubelet of the node [`NODE`].
    node_token: String,
}

/// Name of the node that a control plane may have.
pub const NODE: &str = "testbed-node";

impl Files {
    /// Writes all files of a control plane that will serve at `url`.
    pub(super) fn create(folder: &Path, url: &str) -> Result<Self> {
        let [admin_token, manager_token, scheduler_token, node_token] = [(); 4].map(|()| Uuid::new_v4().to_string());
        let authority = Authority::new()?;
        let files = Self {
            folder: folder.to_owned(),
            ca: folder.join("ca.crt"),
            ca_pem: authority.pem.clone(),
            serving_certificate: folder.join("serving.crt"),
            serving_key: folder.join("serving.key"),
            account_key: folder.join("accounts.key"),
            account_public_key: folder.join("accounts.pub"),
            tokens: folder.join("tokens.csv"),
            audit_policy: folder.join("audit-policy.yaml"),
            audit_log: folder.join("audit.log"),
            egress: folder.join("egress.yaml"),
            node_socket: folder.join("node.socket"),
            admin_kubeconfig: folder.join("admin.kubeconfig"),
            controller_manager_kubeconfig: folder.join("controller-manager.kubeconfig"),
            scheduler_kubeconfig: folder.join("scheduler.kubeconfig"),
            admin_token,
            node_token,
        };
        let (certificate, key) = authority.serving()?;
        let accounts = KeyPair::generate()?;
        write(&files.ca, &authority.pem)?;
        write(&files.serving_certificate, &certificate)?;
        write(&files.serving_key, &key)?;
        write(&files.account_key, &accounts.serialize_pem())?;
        write(&files.account_public_key, &accounts.public_key_pem())?;
        let tokens = format!(
            "{},admin,admin,system:masters\n\
             {manager_token},system:kube-controller-manager,controller-manager\n\
             {scheduler_token},system:kube-scheduler,scheduler\n\
             {},system:node:{NODE},node,system:nodes\n",
            files.admin_token, files.node_token
        );
        write(&files.tokens, &tokens)?;
        // JSON is valid YAML.
        write(&files.audit_policy, &audit::policy().to_string())?;
        write(&files.egress, &files.egress_of_node().to_string())?;
        files.write_kubeconfig(url, &files.admin_token, &files.admin_kubeconfig)?;
        files.write_kubeconfig(url, &manager_token, &files.controller_manager_kubeconfig)?;
        files.write_kubeconfig(url, &scheduler_token, &files.scheduler_kubeconfig)?;
        Ok(files)
    }

    /// Writes a kubeconfig with the bearer token `token`.
    pub(super) fn write_kubeconfig(&self, url: &str, token: &str, path: &Path) -> Result<()> {
        // JSON is valid YAML and needs no further quoting.
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
            "clusters": [{"name": "testbed", "cluster": {"server": url, "certificate-authority": self.ca}}],
            "users": [{"name": "testbed", "user": {"token": token}}],
        });
        write(path, &format!("{kubeconfig:#}\n"))
    }

    /// Writes the kubeconfig of the kubelet of [`NODE`], for an API server at `url`.
    pub(super) fn write_node_kubeconfig(&self, url: &str, path: &Path) -> Result<()> {
        self.write_kubeconfig(url, &self.node_token, path)
    }

    /// The API server connects to kubelets and Pods through the socket of the node.
    fn egress_of_node(&self) -> serde_json::Value {
        let connection = json!({
            "proxyProtocol": "HTTPConnect",
            "transport": {"uds": {"udsName": self.node_socket}},
        });
        json!({
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": connection}],
        })
    }

    /// A client with the bearer token `token`.
    pub(super) async fn client(&self, url: &str, token: &str) -> Result<Client> {
        let kubeconfig: Kubeconfig = serde_json::from_value(json!({
            "current-context": "testbed",
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
            "clusters": [{"name": "testbed", "cluster": {"server": url, "certificate-authority": self.ca}}],
            "users": [{"name": "testbed", "user": {"token": token}}],
        }))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }
}

/// A certificate authority that signs one certificate.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "testbed authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// Certificate and key of the API server, both in PEM.
    fn serving(&self) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let service = SERVICE_ADDRESS.to_string();
        let names = ["127.0.0.1", &service, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut params = CertificateParams::new(names.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, "testbed API server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}
