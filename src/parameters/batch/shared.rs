//! What the scheduler, the calls in flight and the requesters share.
//!
//! # Concurrency
//!
//! One mutex guards all mutable state. It is held for in-memory work only and never across an `.await`, so a plain
//! mutex is faster than an asynchronous one. Under this single lock a name leaves its queue and becomes in flight at
//! once: a request finds it either waiting or in flight, never in neither place.
//!
//! One task, the scheduler, takes names out of the queues. Each call then runs in a task of its own; at most
//! [`MAX_IN_FLIGHT`] hold a slot at a time. Requesters and failed calls add names and wake the scheduler through
//! `added`. The scheduler is its only listener and reads the state again each time it is woken, so `notify_one`, which
//! stores one permit while nobody listens, loses no wake-up.
//!
//! A requester holds the receiving end of a channel. When that is dropped, the name is removed from its queue the next
//! time it would be called for.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore};

use crate::parameters::{
    audited_client::AuditedClient,
    batch::{
        requests::QueuedName,
        state::{MAX_IN_FLIGHT, State},
    },
    port::ReadMode,
};

/// What the scheduler, the calls in flight and the requesters share.
pub(crate) struct Shared<A> {
    pub(crate) client: Arc<AuditedClient<A>>,
    state: Mutex<State>,
    /// Wakes the scheduler after names were added.
    pub(crate) added: Notify,
    /// The slots of calls in flight. Never closed.
    pub(crate) slots: Arc<Semaphore>,
}

impl<A> Shared<A> {
    /// Returns the shared state of a batcher without requests.
    pub(crate) fn new(client: Arc<AuditedClient<A>>) -> Self {
        let slots = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        Self { client, state: Mutex::default(), added: Notify::new(), slots }
    }

    /// Locks the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Puts names back into their queue.
    pub(crate) fn requeue(&self, mode: ReadMode, names: Vec<QueuedName>) {
        self.state().requeue(mode, names);
        self.added.notify_one();
    }

    /// Puts the parts of a failed call into their queue.
    pub(crate) fn requeue_parts(&self, mode: ReadMode, parts: [Vec<QueuedName>; 2]) {
        self.state().requeue_parts(mode, parts);
        self.added.notify_one();
    }
}
