//! Access to a control plane: clients, kubectl, helm, namespaces, tokens.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{fake_aws::TokenVerifier, tools::Tool};

use super::{ControlPlane, components::ISSUER};

impl ControlPlane {
    /// A new client of the administrator. Make one per test: a client belongs to the runtime that made it.
    pub async fn client(&self) -> Result<Client> {
        self.client_with_token(&self.files.admin_token).await
    }

    /// A new client with the bearer token `token`.
    pub async fn client_with_token(&self, token: &str) -> Result<Client> {
        self.files.client(&self.url, token).await
    }

    /// Writes a kubeconfig with the bearer token `token` to `path`.
    pub fn write_kubeconfig(&self, token: &str, path: &Path) -> Result<()> {
        self.files.write_kubeconfig(&self.url, token, path)
    }

    /// Writes the kubeconfig of the node's kubelet, which reaches the API server at `url`, to `path`.
    pub fn write_node_kubeconfig(&self, url: &str, path: &Path) -> Result<()> {
        self.files.write_node_kubeconfig(url, path)
    }

    /// A token of a service account, as a Pod of that account would have. The account must exist.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        // The default audience, which is the API server.
        self.service_account_token_for(namespace, name, &[]).await
    }

    /// Like [`ControlPlane::service_account_token`], for other audiences.
    pub async fn service_account_token_for(&self, namespace: &str, name: &str, audiences: &[&str]) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
                expiration_seconds: Some(3600),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await?;
        Ok(answer.status.context("the API server answered without a token")?.token)
    }

    /// What STS needs to accept the tokens of this cluster's service accounts, with the audience `sts.amazonaws.com`.
    pub fn token_verifier(&self) -> Result<TokenVerifier> {
        let key = &self.files.account_public_key;
        let pem = fs::read_to_string(key).with_context(|| key.display().to_string())?;
        TokenVerifier::new(ISSUER, &pem)
    }

    /// Issuer of the tokens of service accounts.
    pub fn issuer(&self) -> &'static str {
        ISSUER
    }

    /// Creates a namespace whose name begins with `prefix`. Returns the whole name.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let namespaces: Api<Namespace> = Api::all(self.client().await?);
        let generate_name = Some(format!("{prefix}-"));
        let namespace =
            Namespace { metadata: ObjectMeta { generate_name, ..ObjectMeta::default() }, ..Namespace::default() };
        let created = namespaces.create(&PostParams::default(), &namespace).await?;
        created.metadata.name.context("the API server answered without a name")
    }

    /// Runs kubectl as the administrator and returns its standard output.
    pub async fn kubectl<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        run(self.command(&self.kubectl, arguments), "").await
    }

    /// Runs kubectl as the administrator with `input` as its standard input, for example for `apply -f -`.
    pub async fn kubectl_stdin<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Result<String> {
        run(self.command(&self.kubectl, arguments), input).await
    }

    /// Runs helm as the administrator and returns its standard output.
    pub async fn helm<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        let helm: PathBuf = Tool::Helm.path().await?;
        run(self.command(&helm, arguments), "").await
    }

    /// A command in an environment that points to this control plane, without the user's own files.
    fn command<A: AsRef<OsStr>>(&self, program: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("KUBECONFIG", self.kubeconfig()).env("KUBECACHEDIR", self.folder().join("kubectl"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, self.folder().join("helm"));
        }
        command
    }
}

/// Runs a command to its end. If it fails, the error contains its standard error.
async fn run(mut command: Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let shown = format!("{:?}", command.as_std());
    let mut child = command.spawn().with_context(|| shown.clone())?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let write = async move {
        // A command that does not read its input closes it early. That is no error here.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    // Concurrently, because a command may fill its output before it has read its input.
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output?;
    if !output.status.success() {
        bail!("{shown} failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
