//! Connects the layers: watches feed queues, controllers reconcile what is queued, and everything ends together.

mod caches;
mod comparisons;
mod context;
mod controllers;
mod environment;
mod index;
mod namespace_slots;
mod observed;
mod queues;
mod run;
mod secret_locks;
mod secure_parameter;
mod status_retries;
mod store;
mod triggers;

pub use run::{Settings, run};
