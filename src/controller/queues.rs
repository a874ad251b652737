//! The queues through which reconciles are requested; of stores, besides changes of themselves. There is one for each kind.
//! Adding a store that is queued already has no effect, so that a queue is never longer than there are stores.

use std::{collections::HashSet, sync::Arc};

use futures::stream::{self, BoxStream, StreamExt};
use kube::{Resource, runtime::reflector::ObjectRef};
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter},
    controller::{index::StoreKey, object_queue::ObjectQueue},
};

/// The sending ends.
#[derive(Clone)]
pub(crate) struct Queues {
    objects: ObjectQueue,
    cluster_stores: Queue<ClusterParameterStore>,
    stores: Queue<ParameterStore>,
}

/// The objects that a queue yields.
pub(crate) type Queued<K> = BoxStream<'static, ObjectRef<K>>;

/// The receiving ends, one for each controller.
pub(crate) struct QueueReceivers {
    pub(crate) objects: ObjectQueue,
    pub(crate) cluster_stores: Queued<ClusterParameterStore>,
    pub(crate) stores: Queued<ParameterStore>,
}

impl Queues {
    /// Creates empty queues. At most so many objects of one namespace are reconciled at a time.
    pub(crate) fn new(of_namespace: u16) -> (Self, QueueReceivers) {
        let objects = ObjectQueue::new(of_namespace);
        let (cluster_stores, queued_cluster_stores) = Queue::new();
        let (stores, queued_stores) = Queue::new();
        let receivers =
            QueueReceivers { objects: objects.clone(), cluster_stores: queued_cluster_stores, stores: queued_stores };
        (Self { objects, cluster_stores, stores }, receivers)
    }

    /// Queues an object.
    #[expect(clippy::needless_pass_by_value, reason = "who has a reference made it for this")]
    pub(crate) fn add_object(&self, object: ObjectRef<SecureParameter>) {
        self.objects.add(object.namespace.as_deref().unwrap_or_default(), &object.name);
    }

    /// Returns how many objects wait.
    pub(crate) fn waiting_objects(&self) -> usize {
        self.objects.len()
    }

    /// Queues a store.
    pub(crate) fn add_store(&self, store: StoreKey) {
        match store.namespace {
            None => self.cluster_stores.add(ObjectRef::new(&store.name)),
            Some(namespace) => self.stores.add(ObjectRef::new(&store.name).within(&namespace)),
        }
    }
}

/// The sending end of one queue.
struct Queue<K: Resource<DynamicType = ()>> {
    sender: UnboundedSender<ObjectRef<K>>,
    waiting: Arc<Mutex<HashSet<ObjectRef<K>>>>,
}

impl<K: Resource<DynamicType = ()>> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), waiting: self.waiting.clone() }
    }
}

impl<K: Resource<DynamicType = ()> + 'static> Queue<K> {
    fn new() -> (Self, Queued<K>) {
        let (sender, mut receiver) = unbounded_channel::<ObjectRef<K>>();
        let waiting = Arc::new(Mutex::new(HashSet::new()));
        let left = waiting.clone();
        let queued = stream::poll_fn(move |context| receiver.poll_recv(context)).inspect(move |object| {
            left.lock().remove(object);
        });
        (Self { sender, waiting }, queued.boxed())
    }

    fn add(&self, object: ObjectRef<K>) {
        if self.waiting.lock().insert(object.clone()) {
            // Fails only when the process ends, since the receivers live until then.
            let _ = self.sender.send(object);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::api::StoreKind;

    #[test]
    fn a_store_waits_once_and_can_be_queued_again_when_it_has_left() {
        let (queues, mut receivers) = Queues::new(1);
        let mut received = || -> Vec<String> {
            std::iter::from_fn(|| receivers.stores.next().now_or_never().flatten()).map(|store| store.name).collect()
        };
        let add = |name: &str| {
            let namespace = Some("shop".to_owned());
            queues.add_store(StoreKey { kind: StoreKind::ParameterStore, namespace, name: name.to_owned() });
        };
        ["a", "b", "a", "a", "b"].into_iter().for_each(add);
        assert_eq!(received(), ["a", "b"]);
        add("a");
        assert_eq!(received(), ["a"]);
    }
}
