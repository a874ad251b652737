//! Control planes, fakes of AWS and operators that several tests share.
//!
//! The first test of a group starts them; they live until the test process ends, however it ends: their supervisors
//! notice that and end them by process id (see `testbed::process`). Each test has its own namespace, parameters and
//! stores.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws};
use tokio::sync::OnceCell;

use super::{
    Operator,
    chart::{NAMESPACE, fence},
    definitions, store,
};

/// Tests that share a control plane, a fake AWS and an operator.
#[derive(Clone, Copy, Debug)]
pub enum Group {
    /// Reads that AWS denies or cannot do, for some parameters.
    Failures,
    /// Stores with identities of their own, in the cluster `test`.
    Identities,
    /// Everything else, where AWS accepts every call. The operator has the ServiceAccount, the rights and the admission
    /// policies of the chart.
    Secrets,
}

/// The parts that the tests of a group share. They hold nothing that belongs to the runtime of one test.
#[derive(Clone)]
pub struct Shared {
    /// The control plane, with our definitions and the store `default`.
    pub plane: Arc<ControlPlane>,
    /// The fake AWS.
    pub aws: FakeAws,
    /// The running operator.
    pub operator: Arc<Operator>,
}

static FAILURES: OnceCell<Shared> = OnceCell::const_new();
static IDENTITIES: OnceCell<Shared> = OnceCell::const_new();
static SECRETS: OnceCell<Shared> = OnceCell::const_new();

impl Shared {
    /// The shared parts of this group. The first caller starts them, and the others wait.
    pub async fn of(group: Group) -> Result<&'static Self> {
        let cell = match group {
            Group::Failures => &FAILURES,
            Group::Identities => &IDENTITIES,
            Group::Secrets => &SECRETS,
        };
        cell.get_or_try_init(|| Self::start(group))
            .await
            .with_context(|| format!("cannot start the shared group {group:?}"))
    }

    async fn start(group: Group) -> Result<Self> {
        let plane = ControlPlane::start_with_crds(&definitions()?).await?;
        let aws = FakeAws::start().await?;
        plane.kubectl_stdin(["apply", "-f", "-"], &store("default", &json!({})).to_string()).await?;
        let kubeconfig = match group {
            Group::Failures | Group::Identities => plane.kubeconfig().to_owned(),
            Group::Secrets => fence(&plane, &[]).await?,
        };
        let arguments = match group {
            Group::Identities => {
                let audiences = ["sts.amazonaws.com", "audience.test", "other.test"];
                aws.verify_tokens(plane.token_verifier()?.with_audiences(&audiences));
                &["--cluster-name", "test"][..]
            }
            // The only Lease that the chart's Role grants.
            Group::Secrets => &["--lease-namespace", NAMESPACE],
            Group::Failures => &[],
        };
        let operator = Operator::start(&kubeconfig, &aws.environment(), arguments, plane.folder(), 1)?;
        operator.ready().await?;
        Ok(Self { plane: Arc::new(plane), aws, operator: Arc::new(operator) })
    }
}
