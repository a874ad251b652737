//! Turns watch events and changes of parameters into queued reconciles.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Resource, ResourceExt,
    api::PartialObjectMeta,
    runtime::{reflector::ObjectRef, watcher::Event},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::controller::{context::Context, index::StoreKey, store::reconcile};
use crate::{
    api::{SecureParameter, names},
    kubernetes::watches::{SecretMeta, Watched},
    parameters::Subscriber,
};

/// How long changes of a store's subscribers are collected before the store is queued.
const COLLECT: Duration = Duration::from_secs(1);

/// Applies an event to the index, and queues the objects that it affects. Sends each store whose number of subscribers
/// changed to `subscriber_changes`.
pub(crate) fn on_object(
    event: &Event<SecureParameter>,
    context: &Context,
    subscriber_changes: &UnboundedSender<StoreKey>,
) {
    if let Event::Apply(object) = event
        && context.object_states.contradicts(object)
    {
        context.queues.add_object(ObjectRef::from_obj(object));
    }
    let effects = context.index.lock().apply(event);
    for (uid, namespace, name) in effects.deleted {
        context.set_aside.forget("SecureParameter", Some(&namespace), &name);
        context.object_states.remove(&uid);
        context.subscriptions.end(&uid);
        // Whoever follows nothing is never refused.
        let _ = context.follow_secret(&namespace, &uid, None);
    }
    for (namespace, name) in effects.objects {
        context.queues.add_object(ObjectRef::new(&name).within(&namespace));
    }
    for store in effects.stores {
        // Fails only when the process ends.
        let _ = subscriber_changes.send(store);
    }
}

/// Queues stores whose number of subscribers changed, once for all changes within a second.
pub(crate) async fn on_subscriber_changes(mut changes: UnboundedReceiver<StoreKey>, context: Arc<Context>) {
    while let Some(first) = changes.recv().await {
        tokio::time::sleep(COLLECT).await;
        let mut stores = BTreeSet::from([first]);
        while let Ok(store) = changes.try_recv() {
            stores.insert(store);
        }
        for store in stores {
            context.queues.add_store(store);
        }
    }
}

/// Queues objects whose parameters changed.
pub(crate) async fn on_parameters(mut changed: UnboundedReceiver<Subscriber>, context: Arc<Context>) {
    while let Some(subscriber) = changed.recv().await {
        context.queues.add_object(ObjectRef::new(&subscriber.name).within(&subscriber.namespace));
    }
}

/// Queues the objects that a change of a Secret of the operator affects: its owner, and all objects with this target.
pub(crate) async fn on_secrets(mut secrets: Watched<SecretMeta>, context: Arc<Context>) {
    while let Some(event) = secrets.events.next().await {
        let secret = match &event {
            Event::Apply(secret) | Event::Delete(secret) => secret,
            // A change or deletion that happened while the watch was interrupted has no event of its own.
            Event::InitDone => {
                for object in context.index.lock().all() {
                    context.queues.add_object(object);
                }
                continue;
            }
            Event::Init | Event::InitApply(_) => continue,
        };
        let namespace = secret.namespace().unwrap_or_default();
        for object in context.index.lock().targeting(&namespace, &secret.name_any()) {
            context.queues.add_object(object);
        }
        // The owner may have another target by now. It then deletes this Secret.
        if let Some(owner) = secret.annotations().get(names::OWNER_ANNOTATION) {
            context.queues.add_object(ObjectRef::new(owner).within(&namespace));
        }
    }
}

/// Queues what a change of a foreign Secret affects: objects with this target, and stores with these credentials.
pub(crate) async fn on_foreign_secrets(mut changed: UnboundedReceiver<(String, String)>, context: Arc<Context>) {
    while let Some((namespace, name)) = changed.recv().await {
        for object in context.index.lock().targeting(&namespace, &name) {
            context.queues.add_object(object);
        }
        let cluster_stores = context.caches.cluster_stores.state();
        let cluster_stores = cluster_stores.iter().filter(|store| {
            let secret = store.spec.identity.as_ref().map(|identity| &identity.credentials_secret_ref);
            secret.is_some_and(|secret| secret.namespace == namespace && secret.name == name)
        });
        cluster_stores.for_each(|store| context.queues.add_store(StoreKey::cluster(store)));
        let stores = context.caches.stores.state();
        let stores = stores.iter().filter(|store| {
            store.namespace().as_deref() == Some(&namespace) && store.spec.identity.credentials_secret_ref.name == name
        });
        stores.for_each(|store| context.queues.add_store(StoreKey::namespaced(store)));
    }
}

/// Queues the objects of a namespace that is new or whose labels changed, since access rules select by labels.
pub(crate) async fn on_namespaces(mut namespaces: Watched<PartialObjectMeta<Namespace>>, context: Arc<Context>) {
    let mut labels = HashMap::new();
    while let Some(event) = namespaces.events.next().await {
        match &event {
            Event::Apply(namespace) | Event::InitApply(namespace) => {
                let (name, current) = (namespace.name_any(), namespace.labels().clone());
                if labels.get(&name) != Some(&current) {
                    for object in context.index.lock().in_namespace(&name) {
                        context.queues.add_object(object);
                    }
                    labels.insert(name, current);
                }
            }
            Event::Delete(namespace) => drop(labels.remove(&namespace.name_any())),
            Event::Init | Event::InitDone => {}
        }
    }
}

/// Disconnects stores that were deleted. Other events are handled by the controller.
pub(crate) fn on_store<K: Resource<DynamicType = ()>>(event: &Event<K>, context: &Context, key: fn(&K) -> StoreKey) {
    match event {
        Event::Delete(store) => {
            reconcile::disconnect(&key(store), store.meta().uid.as_deref().unwrap_or_default(), context);
        }
        // A deletion that happened while the watch was interrupted has no event of its own.
        Event::InitDone => reconcile::disconnect_deleted(context),
        Event::Apply(_) | Event::InitApply(_) | Event::Init => {}
    }
}
