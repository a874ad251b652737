//! AWS as far as the operator sees it: SSM Parameter Store, KMS and STS on one loopback port, and the secrets of
//! Secrets Manager that Parameter Store refers to.
//!
//! It behaves like the real services where that matters and where other emulators do not: real ciphertext, key states
//! that fail a read, denials of a whole call, alphabetical answers, quotas, UUID request ids, signatures that are
//! checked, and a trail of records as `CloudTrail` would write them.
//!
//! | File | Idea |
//! | --- | --- |
//! | `server`, `connection` | HTTP, latency, faults of the transport |
//! | `service`, `world` | which service is meant; the way of one call |
//! | `authentication`, `sigv4`, `identity`, `iam` | who calls, and what they may do |
//! | `ssm`, `kms`, `sts`, `secrets` | the services |
//! | `crypto` | ciphertext |
//! | `quota`, `fault` | throttling and failures |
//! | `recorder` | the trail |
//! | `error`, `arn`, `clock`, `form` | notations |

mod arn;
mod authentication;
mod clock;
mod connection;
mod crypto;
mod error;
mod fault;
mod form;
mod iam;
mod identity;
mod kms;
mod quota;
mod recorder;
mod secrets;
mod server;
mod service;
mod sigv4;
mod ssm;
mod stage;
mod sts;
#[cfg(test)]
mod tests;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinHandle;

pub use fault::Fault;
pub use iam::{RuleId, Statement};
pub use identity::{Identity, Principal, Session};
pub use kms::KeyState;
pub use quota::Quota;
pub use ssm::{ParameterType, Tier};
pub use stage::PutOptions;
pub use sts::{Role, TokenCheck, WebIdentity};

use server::Shared;
use world::World;

/// Account of everything that names no other.
pub const DEFAULT_ACCOUNT: &str = "111122223333";
/// Region of everything that names no other.
pub const DEFAULT_REGION: &str = "eu-central-1";

/// A running fake and the test's hold on it. Clones hold the same one; it ends with the last of them.
#[derive(Clone)]
pub struct FakeAws {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    address: SocketAddr,
    operator: Identity,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeAws {
    /// Starts on a free loopback port, inside the runtime of the caller.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts on the given address.
    pub async fn start_on(address: SocketAddr) -> anyhow::Result<Self> {
        let (listener, address) = connection::bind(address).await.with_context(|| format!("fake AWS on {address}"))?;
        let operator = Identity::assumed_role(DEFAULT_ACCOUNT, "secure-parameter-operator", "demo");
        let mut world = World::default();
        world.identities.add(operator.clone());
        let shared = Arc::new(Shared::new(world));
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { inner: Arc::new(Inner { shared, address, operator, server }) })
    }

    /// Where it listens, `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// The identity behind [`Self::environment`]: a role session that may do everything.
    pub fn default_identity(&self) -> Identity {
        self.inner.operator.clone()
    }

    /// What a process needs in its environment to call this fake as the default identity.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_of(&self.inner.operator)
    }

    /// The same for another identity.
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
