//! How many objects are reconciled concurrently: so many of each namespace, and not too many of all namespaces together,
//! since each takes memory for as long as it waits for AWS. A few of each namespace never wait for those of others.

use std::{pin::pin, sync::Arc};

use futures::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::controller::namespace_slots::{NamespaceSlots, Slot};

/// Slots that only the namespace itself can take.
pub(crate) const OWN: u16 = 8;
/// Slots that all namespaces share.
pub(crate) const SHARED: usize = 128;

/// The slots.
#[derive(Debug)]
pub(crate) struct ReconcileSlots {
    /// The most of each namespace.
    namespaces: NamespaceSlots,
    own: NamespaceSlots,
    shared: Arc<Semaphore>,
}

/// What a reconcile holds until it ends. Freed when dropped.
#[derive(Debug)]
pub(crate) struct ReconcileSlot {
    _of_namespace: Slot,
    _taken: Either<Slot, Option<OwnedSemaphorePermit>>,
}

impl ReconcileSlots {
    /// Each namespace has at most this many.
    pub(crate) fn new(of_namespace: u16) -> Self {
        let (namespaces, own) = (NamespaceSlots::new(of_namespace), NamespaceSlots::new(OWN));
        Self { namespaces, own, shared: Arc::new(Semaphore::new(SHARED)) }
    }

    /// Waits for a slot of a namespace.
    pub(crate) async fn acquire(&self, namespace: &str) -> ReconcileSlot {
        let of_namespace = self.namespaces.acquire(namespace).await;
        // Never closed.
        let (own, shared) = (pin!(self.own.acquire(namespace)), pin!(Arc::clone(&self.shared).acquire_owned()));
        let taken = match select(own, shared).await {
            Either::Left((own, _)) => Either::Left(own),
            Either::Right((shared, _)) => Either::Right(shared.ok()),
        };
        ReconcileSlot { _of_namespace: of_namespace, _taken: taken }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Takes slots of a namespace until there is none. Returns them.
    fn take_all(slots: &ReconcileSlots, namespace: &str) -> Vec<ReconcileSlot> {
        std::iter::from_fn(|| slots.acquire(namespace).now_or_never()).collect()
    }

    // Outside of a runtime, which would interrupt a task that takes so many.
    #[test]
    fn a_namespace_has_so_many() {
        let slots = ReconcileSlots::new(20);
        assert_eq!(take_all(&slots, "busy").len(), 20);
        assert_eq!(take_all(&slots, "busy").len(), 20, "they were freed");
    }

    #[test]
    fn all_namespaces_together_share_but_each_has_some_of_its_own() {
        let slots = ReconcileSlots::new(200);
        let names: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        let mut taken: Vec<_> = names[..50].iter().flat_map(|name| take_all(&slots, name)).collect();
        assert_eq!(taken.len(), SHARED + 50 * usize::from(OWN));
        assert_eq!(take_all(&slots, &names[99]).len(), usize::from(OWN), "nobody takes those of a quiet namespace");
        let mut waiting = pin!(slots.acquire(&names[0]));
        assert!((&mut waiting).now_or_never().is_none());
        taken.pop();
        taken.truncate(SHARED);
        assert!(waiting.now_or_never().is_some());
    }
}
