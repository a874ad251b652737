//! The queues through which reconciles are requested, besides changes of the objects themselves. There is one for each
//! kind. Adding an object that is queued already has no effect: kube's scheduler keeps one entry for each object.

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter},
    controller::index::StoreKey,
};

/// The sending ends.
#[derive(Clone)]
pub(crate) struct Queues {
    objects: UnboundedSender<ObjectRef<SecureParameter>>,
    cluster_stores: UnboundedSender<ObjectRef<ClusterParameterStore>>,
    stores: UnboundedSender<ObjectRef<ParameterStore>>,
}

/// The receiving ends, one for each controller.
pub(crate) struct QueueReceivers {
    pub(crate) objects: UnboundedReceiver<ObjectRef<SecureParameter>>,
    pub(crate) cluster_stores: UnboundedReceiver<ObjectRef<ClusterParameterStore>>,
    pub(crate) stores: UnboundedReceiver<ObjectRef<ParameterStore>>,
}

impl Queues {
    /// Creates empty queues.
    pub(crate) fn new() -> (Self, QueueReceivers) {
        let (objects, object_receiver) = unbounded_channel();
        let (cluster_stores, cluster_store_receiver) = unbounded_channel();
        let (stores, store_receiver) = unbounded_channel();
        let receivers =
            QueueReceivers { objects: object_receiver, cluster_stores: cluster_store_receiver, stores: store_receiver };
        (Self { objects, cluster_stores, stores }, receivers)
    }

    /// Queues an object.
    pub(crate) fn add_object(&self, object: ObjectRef<SecureParameter>) {
        // Fails only when the process ends, since the receivers live until then.
        let _ = self.objects.send(object);
    }

    /// Queues a store.
    pub(crate) fn add_store(&self, store: StoreKey) {
        match store.namespace {
            None => drop(self.cluster_stores.send(ObjectRef::new(&store.name))),
            Some(namespace) => drop(self.stores.send(ObjectRef::new(&store.name).within(&namespace))),
        }
    }
}
