//! A fake of the AWS services that the operator uses: SSM Parameter Store, KMS and STS on one loopback port, and the
//! secrets of Secrets Manager that Parameter Store refers to.
//!
//! It behaves like the real services where other emulators do not: real ciphertext, key states that fail a read, denials
//! of a whole call, alphabetical results, quotas, UUID request ids, checked signatures, and records as `CloudTrail`
//! writes them.
//!
//! | File | Content |
//! | --- | --- |
//! | `server`, `connection` | HTTP, latency, faults of the transport |
//! | `service`, `world` | the service of a call; all state |
//! | `control` | what a test sets up and reads |
//! | `authentication`, `sigv4`, `identity`, `iam` | the caller and its permissions |
//! | `pod_identity` | the agent of EKS Pod Identity |
//! | `ssm`, `kms`, `sts`, `secrets` | the services |
//! | `crypto` | ciphertext |
//! | `quota`, `fault` | throttling and failures |
//! | `recorder` | `CloudTrail` records |
//! | `error`, `arn`, `clock`, `form` | formats |

mod arn;
mod authentication;
mod clock;
mod connection;
mod control;
mod crypto;
mod error;
mod fault;
mod form;
mod iam;
mod identity;
mod kms;
mod pod_identity;
mod quota;
mod recorder;
mod secrets;
mod server;
mod service;
mod sigv4;
mod ssm;
mod sts;
#[cfg(test)]
mod tests;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

pub use control::PutOptions;
pub use fault::Fault;
pub use iam::{MalformedPolicy, ResourcePolicy, RuleId, Statement, parse_policy};
pub use identity::{Identity, Principal, Session};
pub use kms::KeyState;
pub use pod_identity::{PodIdentity, PodIdentityAgent};
pub use quota::Quota;
pub use ssm::{ParameterType, Tier};
pub use sts::{Role, TokenError, TokenVerifier, WebIdentity};

use server::Shared;
use world::World;

/// The default account.
pub const DEFAULT_ACCOUNT: &str = "111122223333";
/// The default region.
pub const DEFAULT_REGION: &str = "eu-central-1";

/// A running fake. Clones refer to the same one; it ends when the last of them is dropped.
#[derive(Clone)]
pub struct FakeAws {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    address: SocketAddr,
    operator: Identity,
    /// The server ends when this is dropped.
    _lifeline: oneshot::Sender<()>,
}

impl FakeAws {
    /// Starts on a free loopback port.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts on the given address, in a thread of its own: it answers also while the caller blocks, for example because
    /// it waits for a client to end.
    pub async fn start_on(address: SocketAddr) -> anyhow::Result<Self> {
        let operator = Identity::assumed_role(DEFAULT_ACCOUNT, "secure-parameter-operator", "demo");
        let mut world = World::default();
        world.identities.add(operator.clone());
        let shared = Arc::new(Shared::new(world));
        let (bound, receiver) = oneshot::channel();
        let (lifeline, dropped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&shared);
        thread::Builder::new().name("fake-aws".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let (listener, address) = match connection::bind(address).await {
                    Ok(bound) => bound,
                    Err(error) => return drop(bound.send(Err(error))),
                };
                if bound.send(Ok(address)).is_ok() {
                    tokio::select! {
                        _ = server::serve(listener, served) => {}
                        _ = dropped => {}
                    }
                }
            });
        })?;
        let bound = receiver.await.context("the thread of the fake AWS ended")?;
        let address = bound.with_context(|| format!("fake AWS on {address}"))?;
        Ok(Self { inner: Arc::new(Inner { shared, address, operator, _lifeline: lifeline }) })
    }

    /// Its address, `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// The identity behind [`Self::environment`]: a role session that may do everything.
    pub fn default_identity(&self) -> Identity {
        self.inner.operator.clone()
    }

    /// Environment variables with which a process calls this fake as the default identity.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_of(&self.inner.operator)
    }

    /// Environment variables with which a process calls this fake as `identity`.
    pub fn environment_of(&self, identity: &Identity) -> Vec<(String, String)> {
        let token = identity.session_token.as_deref().map(|token| ("AWS_SESSION_TOKEN", token.to_owned()));
        let variables = [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", DEFAULT_REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", identity.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", identity.secret_access_key.clone()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        variables.into_iter().chain(token).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
