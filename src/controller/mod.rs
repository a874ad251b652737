//! Wires the stages: watches feed queues, reconciles read and write, and everything ends together.

mod context;
mod environment;
mod index;
mod observed;
mod queues;
mod run;
mod secure_parameter;
mod store;
mod triggers;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use run::{Settings, run};

/// Locks, also after a panic elsewhere: what is behind our locks is consistent between any two statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
