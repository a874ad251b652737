//! Turns changes of the caches and of parameters into queued reconciles. Each change is acted on after the cache shows it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Resource, ResourceExt, api::PartialObjectMeta, runtime::reflector::ObjectRef};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::controller::{
    context::Context,
    index::{Effects, StoreKey},
    store::reconcile,
};
use crate::{
    api::SecureParameter,
    kubernetes::{
        cached::{Change, Watched},
        owned_secrets::{OwnedSecretWatch, SecretChange},
    },
    parameters::Subscriber,
};

/// How long changes of a store's subscribers are collected before the store is queued.
const COLLECT: Duration = Duration::from_secs(10);

/// Returns the objects that a change gives reason to reconcile. After a list these are all: what happened to one before
/// the list, or to what it depends on, may have had no event of its own.
///
/// Users change specs and annotations, of which caches keep only ours. A change of the status alone, which the operator
/// writes, is no reason. An object that appears in the cache always is, so nothing is lost when one is queued that is not
/// there yet.
pub(crate) fn to_reconcile<K: Resource>(change: &Change<K>) -> Vec<Arc<K>> {
    match change {
        Change::Applied { object, before } if before.as_ref().is_none_or(|before| differs(&**before, &**object)) => {
            vec![object.clone()]
        }
        Change::Listed { objects, .. } => objects.clone(),
        Change::Applied { .. } | Change::Deleted(_) => Vec::new(),
    }
}

fn differs<K: Resource>(before: &K, object: &K) -> bool {
    let (before, object) = (before.meta(), object.meta());
    // Of the labels, an operator without a selector keeps none.
    (&before.uid, before.generation, &before.annotations, &before.labels)
        != (&object.uid, object.generation, &object.annotations, &object.labels)
}

/// Applies a change to the index, and queues the objects that it affects besides the one that changed. Sends each store
/// whose number of subscribers changed to `subscriber_changes`.
pub(crate) fn on_object(
    change: &Change<SecureParameter>,
    context: &Context,
    subscriber_changes: &UnboundedSender<StoreKey>,
) {
    match change {
        Change::Applied { object, .. } if context.object_states.observe(object) => {
            context.queues.add_object(ObjectRef::from_obj(&**object));
        }
        Change::Listed { objects, .. } => {
            for object in objects {
                // All of them are queued anyway.
                let _ = context.object_states.observe(object);
            }
        }
        Change::Applied { .. } | Change::Deleted(_) => {}
    }
    let Effects { objects, stores, deleted } = context.index.lock().apply(change);
    for (uid, namespace, name) in deleted {
        context.set_aside.forget("SecureParameter", Some(&namespace), &name);
        context.forget_object(&namespace, &uid);
        context.status_retries.forget(&SecureParameter::kind(&()), Some(&namespace), &name);
    }
    for (namespace, name) in objects {
        context.queues.add_object(ObjectRef::new(&name).within(&namespace));
    }
    for store in stores {
        // Fails only when the process ends.
        let _ = subscriber_changes.send(store);
    }
}

/// Queues stores whose number of subscribers changed, once for all changes within ten seconds.
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
pub(crate) async fn on_secrets(mut secrets: OwnedSecretWatch, context: Arc<Context>) {
    while let Some(change) = secrets.changes.next().await {
        let SecretChange::One { namespace, name, owner } = change else {
            queue_all(&context);
            continue;
        };
        for object in context.index.lock().targeting(&namespace, &name) {
            context.queues.add_object(object);
        }
        // The owner may have another target by now. It then deletes this Secret.
        if let Some(owner) = owner {
            context.queues.add_object(ObjectRef::new(&owner).within(&namespace));
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
            let secret = store.spec.identity.as_ref().and_then(|identity| identity.credentials_secret_ref.as_ref());
            secret.is_some_and(|secret| secret.namespace == namespace && secret.name == name)
        });
        cluster_stores.for_each(|store| context.queues.add_store(StoreKey::cluster(store)));
        let stores = context.caches.stores.state();
        let stores = stores.iter().filter(|store| {
            let secret = store.spec.identity.credentials_secret_ref.as_ref();
            store.namespace().as_deref() == Some(&namespace) && secret.is_some_and(|secret| secret.name == name)
        });
        stores.for_each(|store| context.queues.add_store(StoreKey::namespaced(store)));
    }
}

/// Queues the objects of a namespace that is new or whose labels changed, since access rules select by labels. After a
/// list these are the objects of all namespaces.
pub(crate) async fn on_namespaces(mut namespaces: Watched<PartialObjectMeta<Namespace>>, context: Arc<Context>) {
    while let Some(change) = namespaces.changes.next().await {
        match change {
            Change::Applied { object: namespace, before } => {
                if before.is_none_or(|before| before.labels() != namespace.labels()) {
                    for object in context.index.lock().in_namespace(&namespace.name_any()) {
                        context.queues.add_object(object);
                    }
                }
            }
            Change::Listed { .. } => queue_all(&context),
            Change::Deleted(_) => {}
        }
    }
}

fn queue_all(context: &Context) {
    for object in context.index.lock().all() {
        context.queues.add_object(object);
    }
}

/// Disconnects stores that were deleted. Other changes are handled by the controller.
pub(crate) fn on_store<K: Resource<DynamicType = ()>>(change: &Change<K>, context: &Context, key: fn(&K) -> StoreKey) {
    let disconnect = |store: &K| {
        let key = key(store);
        reconcile::disconnect(&key, store.meta().uid.as_deref().unwrap_or_default(), context);
        context.status_retries.forget(key.kind.as_str(), key.namespace.as_deref(), &key.name);
    };
    match change {
        Change::Deleted(store) => disconnect(store),
        Change::Listed { gone, .. } => {
            for store in gone {
                disconnect(store);
            }
            reconcile::disconnect_deleted(context);
        }
        Change::Applied { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, stream};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use kube::runtime::watcher::Event;

    use super::*;
    use crate::api::{SecureParameterSpec, names};

    /// An object at this generation.
    fn object(name: &str, uid: &str, generation: i64) -> SecureParameter {
        let metadata = ObjectMeta {
            name: Some(name.into()),
            namespace: Some("shop".into()),
            uid: Some(uid.into()),
            generation: Some(generation),
            ..ObjectMeta::default()
        };
        SecureParameter { metadata, spec: SecureParameterSpec::default(), status: None }
    }

    fn synced(object: SecureParameter, token: &str) -> SecureParameter {
        let annotations = Some([(names::SYNC_ANNOTATION.to_owned(), token.to_owned())].into());
        SecureParameter { metadata: ObjectMeta { annotations, ..object.metadata }, ..object }
    }

    /// What is reconciled after these events: names, and the generations that the cache shows at that time.
    fn reconciled(events: Vec<Event<SecureParameter>>) -> Vec<(String, Option<i64>)> {
        let Watched { store, changes } = Watched::new(stream::iter(events));
        let reconciled = changes.flat_map(|change| stream::iter(to_reconcile(&change))).map(|object| {
            let cached = store.get(&ObjectRef::from_obj(&*object));
            (object.name_any(), cached.and_then(|cached| cached.metadata.generation))
        });
        block_on(reconciled.collect())
    }

    fn listed(objects: impl IntoIterator<Item = SecureParameter>) -> Vec<Event<SecureParameter>> {
        let objects = objects.into_iter().map(Event::InitApply);
        std::iter::once(Event::Init).chain(objects).chain([Event::InitDone]).collect()
    }

    #[test]
    fn changes_that_come_with_a_list_of_many_pages_are_reconciled_as_the_list_shows_them() {
        let objects = |generation| (0..1_001).map(move |n| object(&format!("o{n}"), &format!("u{n}"), generation));
        let mut events = listed(objects(1));
        events.extend(listed(objects(2)));
        let reconciled = reconciled(events);
        assert_eq!(reconciled.len(), 2_002, "each object once for each list");
        assert!(reconciled[..1_001].iter().all(|(_, generation)| *generation == Some(1)));
        assert!(reconciled[1_001..].iter().all(|(_, generation)| *generation == Some(2)));
    }

    #[test]
    fn an_object_is_reconciled_when_it_appears_and_when_its_spec_or_annotation_changes() {
        let first = || object("a", "1", 1);
        let mut events = listed([]);
        events.extend([
            Event::Apply(first()),
            // Only the status changed.
            Event::Apply(first()),
            Event::Apply(object("a", "1", 2)),
            Event::Apply(synced(object("a", "1", 2), "now")),
            Event::Apply(synced(object("a", "1", 2), "now")),
            Event::Delete(object("a", "1", 2)),
            Event::Apply(object("a", "2", 1)),
        ]);
        let expected = [1, 2, 2, 1].map(|generation| ("a".to_owned(), Some(generation)));
        assert_eq!(reconciled(events), expected);
    }
}
