//! The Kubernetes edge: watches, writes of Secrets and status, Events, finalizers, restarts. The only place that calls
//! the Kubernetes API.

mod client;
mod events;
mod finalizer;
mod foreign_secrets;
mod rollout;
mod secrets;
mod status;
mod watches;

pub use client::{Clients, connect};
pub use events::Events;
pub use finalizer::Finalizers;
pub use foreign_secrets::ForeignSecrets;
pub use rollout::Rollouts;
pub use secrets::{Desired, Secrets, WriteError};
pub use status::Statuses;
pub use watches::{SecretMeta, WATCHES, WatchObserver, Watched, Watches};
