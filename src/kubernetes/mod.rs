//! The Kubernetes edge: watches, writes of Secrets and status, Events, finalizers, restarts. The only place that calls
//! the Kubernetes API.

mod client;
mod events;
mod field_ownership;
mod finalizers;
mod named_secrets;
mod secrets;
mod status;
mod watch;
mod workloads;
mod write_error;

pub use client::{Clients, connect};
pub use events::Events;
pub use finalizers::Finalizers;
pub use named_secrets::NamedSecrets;
pub use secrets::{Desired, Secrets};
pub use status::Statuses;
pub use watch::{SecretMeta, WATCHES, WatchObserver, Watched, Watches};
pub use workloads::Workloads;
pub use write_error::WriteError;
