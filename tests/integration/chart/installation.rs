//! The chart, installed on a control plane of its own, and the operator as the chart would start it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use secure_parameter_operator::api::SecureParameter;
use serde_json::Value;
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws, wait::eventually};

use super::{container, operator_arguments};
use crate::support::{
    Operator, PATIENCE,
    chart::{FULLNAME, NAMESPACE, RELEASE, account_kubeconfig, arguments, arguments_of, chart, objects},
    message,
};

/// The chart on a control plane, with a fake AWS and the namespace `shop`.
pub struct Installation {
    pub plane: ControlPlane,
    pub aws: FakeAws,
    pub client: Client,
    runs: usize,
}

impl Installation {
    /// Starts a cluster with these namespaces, and installs the chart.
    pub async fn start(namespaces: &[&str], values: &[&str]) -> Result<Self> {
        Self::of(&chart(), namespaces, values).await
    }

    /// Like [`Installation::start`], for another chart.
    pub async fn of(chart: &Path, namespaces: &[&str], values: &[&str]) -> Result<Self> {
        let (plane, aws) = (ControlPlane::start().await?, FakeAws::start().await?);
        for namespace in namespaces {
            plane.kubectl(["create", "namespace", namespace]).await?;
        }
        plane.helm(arguments_of(chart, "install", &[values, &["--create-namespace"]].concat())).await?;
        Ok(Self { client: plane.client().await?, plane, aws, runs: 0 })
    }

    /// Installs the chart again, with other values.
    pub async fn upgrade(&self, values: &[&str]) -> Result<()> {
        self.plane.helm(arguments("upgrade", values)).await.map(drop)
    }

    pub async fn apply(&self, manifest: &Value) -> Result<()> {
        self.plane.kubectl_stdin(["apply", "-f", "-"], &manifest.to_string()).await.map(drop)
    }

    /// Starts the operator as the Deployment would, and waits until it is ready.
    pub async fn operator(&mut self) -> Result<Operator> {
        let operator = self.launch(&self.kubeconfig().await?, &[]).await?;
        operator.ready().await?;
        Ok(operator)
    }

    /// Starts the operator as the Deployment would, but with this kubeconfig and more arguments.
    pub async fn launch(&mut self, kubeconfig: &Path, more: &[&str]) -> Result<Operator> {
        self.runs += 1;
        let installed = objects(&self.plane.helm(["get", "manifest", RELEASE, "--namespace", NAMESPACE]).await?)?;
        let arguments = operator_arguments(&installed)?;
        ensure!(arguments[..2] == ["run", "--listen=0.0.0.0:8080"], "{arguments:?}");
        // `Operator::start` sets these two, with a free address.
        let arguments: Vec<_> = arguments[2..].iter().map(String::as_str).chain(more.iter().copied()).collect();
        let mut environment = self.aws.environment();
        environment.retain(|(name, _)| name != "AWS_REGION");
        for variable in container(&installed)?["env"].as_array().context("an environment")? {
            let text = |field: &str| Ok::<_, anyhow::Error>(variable[field].as_str().context("text")?.to_owned());
            environment.push((text("name")?, text("value")?));
        }
        Operator::start(kubeconfig, &environment, &arguments, self.plane.folder(), self.runs)
    }

    /// A kubeconfig of the chart's ServiceAccount.
    pub async fn kubeconfig(&self) -> Result<PathBuf> {
        account_kubeconfig(&self.plane, NAMESPACE, FULLNAME).await
    }

    /// Stops an operator as Kubernetes would. Returns its log.
    pub fn stop(&self, operator: &Operator) -> Result<String> {
        operator.process().signal("TERM")?;
        let status = operator.process().wait(PATIENCE)?;
        let log = operator.log()?;
        ensure!(status.success(), "run {} ended with {status}:\n{log}", self.runs);
        Ok(log)
    }

    /// The Secrets of namespace `shop`.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "shop")
    }

    /// Waits until a Secret of `shop` holds this password.
    pub async fn secret_holds(&self, name: &str, password: &str) -> Result<Secret> {
        eventually(&format!("Secret {name} to hold {password}"), PATIENCE, async || {
            let secret = self.secrets().get(name).await?;
            let held = secret.data.as_ref().and_then(|data| data.get("PASSWORD")).map(|value| value.0.as_slice());
            Ok((held == Some(password.as_bytes())).then_some(secret))
        })
        .await
    }

    /// Waits until the message of an object's condition Ready contains these words.
    pub async fn says(&self, name: &str, words: &str) -> Result<String> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), "shop");
        let mut last = String::new();
        let said = eventually(&format!("{name} to say {words}"), PATIENCE, async || {
            message(&objects.get(name).await?).clone_into(&mut last);
            Ok(last.contains(words).then(|| last.clone()))
        })
        .await;
        said.with_context(|| format!("last seen: {last}"))
    }
}
