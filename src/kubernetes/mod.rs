//! Everything that talks to the Kubernetes API: watches, writes of Secrets and status, Events, finalizers, restarts of
//! workloads, the Lease.

pub(crate) mod cached;
pub(crate) mod client;
pub(crate) mod events;
pub(crate) mod external_secrets;
pub(crate) mod finalizer;
pub(crate) mod followed_secrets;
pub(crate) mod foreign_secrets;
pub(crate) mod lease;
pub(crate) mod listing;
pub(crate) mod merged;
pub(crate) mod other_leases;
pub(crate) mod owned_secrets;
pub(crate) mod refusal;
pub(crate) mod rollout;
pub(crate) mod scope;
pub(crate) mod secrets;
pub(crate) mod service_accounts;
mod shared_texts;
pub(crate) mod status;
pub(crate) mod user_error;
pub(crate) mod user_session;
pub(crate) mod watch_stream;
pub(crate) mod watches;

pub use client::{Clients, connect};
pub use lease::LeaseName;
pub use scope::Scope;
