//! How many reconciles are at work: gather, render, or call the API server. Waiting for AWS, or for the lock of a Secret, is
//! no work and takes no slot.
//!
//! Rendered Secrets wait in memory until the API server takes them, and its requests are served in order of arrival. So a
//! namespace has few slots, and those of all namespaces together are few as well.

use std::{pin::Pin, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::controller::namespace_slots::{NamespaceSlots, Slot};

/// Reconciles of one namespace that are at work at a time.
const PER_NAMESPACE: u16 = 12;
/// Reconciles that are at work at a time. Each makes one request to the API server after the other.
const ALL: usize = 24;

/// The slots of all namespaces.
#[derive(Debug)]
pub(crate) struct ActiveSlots {
    namespaces: NamespaceSlots,
    all: Arc<Semaphore>,
}

/// The slot of one reconcile, which it holds except while it waits.
#[derive(Debug)]
pub(crate) struct ActiveSlot<'a> {
    slots: &'a ActiveSlots,
    namespace: &'a str,
    held: Mutex<Option<Held>>,
}

/// A slot of the namespace, and one of all. Freed when dropped.
type Held = (Slot, Option<OwnedSemaphorePermit>);

impl Default for ActiveSlots {
    fn default() -> Self {
        Self { namespaces: NamespaceSlots::new(PER_NAMESPACE), all: Arc::new(Semaphore::new(ALL)) }
    }
}

impl ActiveSlots {
    /// Waits for a slot of a namespace.
    pub(crate) async fn acquire<'a>(&'a self, namespace: &'a str) -> ActiveSlot<'a> {
        let held = Mutex::new(Some(self.take(namespace).await));
        ActiveSlot { slots: self, namespace, held }
    }

    async fn take(&self, namespace: &str) -> Held {
        // That of the namespace first, so that a namespace has few that wait for one of all.
        let of_namespace = self.namespaces.acquire(namespace).await;
        // Never closed.
        (of_namespace, Arc::clone(&self.all).acquire_owned().await.ok())
    }
}

impl ActiveSlot<'_> {
    /// Waits without the slot, and then for a slot again. In a box, so that who waits for something else keeps no room for it.
    pub(crate) fn release_while<T>(&self, wait: impl Future<Output = T>) -> Pin<Box<impl Future<Output = T>>> {
        Box::pin(async {
            drop(self.held.lock().take());
            let result = wait.await;
            let held = self.slots.take(self.namespace).await;
            *self.held.lock() = Some(held);
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{future, pin::pin};

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn waiting_takes_no_slot() {
        let slots = ActiveSlots::default();
        let mut waiting = Vec::new();
        for _ in 0..100 {
            waiting.push(slots.acquire("busy").await);
            let slot = waiting.last().expect("a slot");
            assert!(poll!(pin!(slot.release_while(future::pending::<()>()))).is_pending());
        }
        assert!(poll!(pin!(slots.acquire("busy"))).is_ready());
    }

    #[tokio::test]
    async fn a_busy_namespace_leaves_slots_to_others() {
        let slots = ActiveSlots::default();
        let mut busy = Vec::new();
        for _ in 0..PER_NAMESPACE {
            busy.push(slots.acquire("busy").await);
        }
        let mut next = pin!(slots.acquire("busy"));
        assert!(poll!(&mut next).is_pending());
        assert!(poll!(pin!(slots.acquire("quiet"))).is_ready());
        busy.pop();
        assert!(poll!(next).is_ready());
    }

    #[tokio::test]
    async fn all_namespaces_together_have_few() {
        let slots = ActiveSlots::default();
        let names: Vec<_> = (0..=ALL).map(|number| number.to_string()).collect();
        let mut busy = Vec::new();
        for name in &names[..ALL] {
            busy.push(slots.acquire(name).await);
        }
        let mut next = pin!(slots.acquire(&names[ALL]));
        assert!(poll!(&mut next).is_pending());
        busy.pop();
        assert!(poll!(next).is_ready());
    }
}
