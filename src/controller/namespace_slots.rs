//! Slots of namespaces: nobody waits for those of another namespace.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of all namespaces.
#[derive(Debug)]
pub(crate) struct NamespaceSlots {
    slots: usize,
    namespaces: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A slot, taken until it is dropped.
pub(crate) type Slot = Option<OwnedSemaphorePermit>;

impl NamespaceSlots {
    /// Each namespace has this many slots.
    pub(crate) fn new(slots: u16) -> Self {
        Self { slots: usize::from(slots), namespaces: Mutex::default() }
    }

    /// Waits for a slot of a namespace.
    pub(crate) async fn acquire(&self, namespace: &str) -> Slot {
        let slots = {
            let mut namespaces = self.namespaces.lock();
            if !namespaces.contains_key(namespace) {
                // Those that nobody holds or waits for are removed, so that the map stays small.
                namespaces.retain(|_, slots| Arc::strong_count(slots) > 1);
                namespaces.insert(namespace.to_owned(), Arc::new(Semaphore::new(self.slots)));
            }
            namespaces.get(namespace).cloned()
        };
        // Never closed.
        slots?.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn one_namespace_waits_only_for_itself() {
        let slots = NamespaceSlots::new(2);
        let (first, _second) = (slots.acquire("busy").await, slots.acquire("busy").await);
        let mut third = pin!(slots.acquire("busy"));
        assert!(poll!(&mut third).is_pending());
        assert!(poll!(pin!(slots.acquire("quiet"))).is_ready());
        drop(first);
        assert!(poll!(third).is_ready());
    }

    #[tokio::test]
    async fn namespaces_without_reconciles_are_forgotten() {
        let slots = NamespaceSlots::new(2);
        for number in 0..1_000 {
            drop(slots.acquire(&number.to_string()).await);
        }
        assert!(slots.namespaces.lock().len() <= 2);
    }
}
