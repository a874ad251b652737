//! Connects the layers: watches feed queues, controllers reconcile what is queued, and everything ends together.

mod active_slots;
mod assemble;
mod caches;
mod comparisons;
mod context;
mod controllers;
mod election;
mod environment;
mod finish;
mod index;
mod isolated;
mod namespace_slots;
mod object_queue;
mod observed;
mod observer;
mod preflight;
mod queues;
mod reconcile_slots;
mod run;
mod secret_locks;
mod secure_parameter;
mod set_aside;
mod shard_watch;
mod sharding;
mod side_thread;
mod status_retries;
mod store;
mod triggers;
mod work;

pub use crate::aws::options::{AwsOptions, WebIdentityFile};
pub use assemble::Reconciling;
pub use election::Election;
pub use finish::RunError;
pub use preflight::{Question, Report, check};
pub use run::{Settings, run};
