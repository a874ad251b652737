//! Connects the layers: watches feed queues, controllers reconcile what is queued, and everything ends together.

mod active_slots;
mod caches;
mod comparisons;
mod context;
mod controllers;
mod environment;
mod finish;
mod index;
mod isolated;
mod namespace_slots;
mod observed;
mod preflight;
mod queues;
mod run;
mod secret_locks;
mod secure_parameter;
mod set_aside;
mod status_retries;
mod store;
mod triggers;

pub use crate::aws::options::{AwsOptions, WebIdentityFile};
pub use finish::RunError;
pub use preflight::{Question, Report, check};
pub use run::{Settings, run};
