//! From watch events to what has to be looked at.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Resource, ResourceExt,
    api::PartialObjectMeta,
    runtime::{reflector::ObjectRef, watcher::Event},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::controller::{context::Context, index::StoreKey, locked, store::reconcile};
use crate::{
    api::{SecureParameter, names},
    kubernetes::{SecretMeta, Watched},
    parameters::Subscriber,
};

/// How long changes of a store's subscribers are collected before its status is written.
const COLLECT: Duration = Duration::from_secs(1);

/// Takes a change of an object into the index, and wakes whom it concerns.
pub fn on_object(event: &Event<SecureParameter>, context: &Context, counts: &UnboundedSender<StoreKey>) {
    if let Event::Apply(object) = event
        && context.states.contradicts(object)
    {
        context.wake.object(ObjectRef::from_obj(object));
    }
    let effects = locked(&context.index).apply(event);
    for (uid, _, _) in effects.gone {
        context.states.remove(&uid);
        context.subscriptions.end(&uid);
        context.named_secrets.follow(&uid, None);
    }
    for (namespace, name) in effects.objects {
        context.wake.object(ObjectRef::new(&name).within(&namespace));
    }
    for store in effects.stores {
        // The receiver goes only when the process ends.
        let _ = counts.send(store);
    }
}

/// Wakes stores whose number of subscribers changed, once for many changes.
pub async fn count_subscribers(mut changed: UnboundedReceiver<StoreKey>, context: Arc<Context>) {
    while let Some(first) = changed.recv().await {
        tokio::time::sleep(COLLECT).await;
        let mut stores = BTreeSet::from([first]);
        while let Ok(store) = changed.try_recv() {
            stores.insert(store);
        }
        for store in stores {
            context.wake.store(store);
        }
    }
}

/// Wakes objects whose parameters changed.
pub async fn on_parameters(mut changed: UnboundedReceiver<Subscriber>, context: Arc<Context>) {
    while let Some((namespace, name)) = changed.recv().await {
        context.wake.object(ObjectRef::new(&name).within(&namespace));
    }
}

/// Wakes the objects that a Secret of ours concerns: its holder, and those that wait for its name.
pub async fn on_secrets(mut secrets: Watched<SecretMeta>, context: Arc<Context>) {
    while let Some(event) = secrets.events.next().await {
        let secret = match &event {
            Event::Apply(secret) | Event::Delete(secret) => secret,
            // Whatever changed or went while nobody watched shows in no event of its own.
            Event::InitDone => {
                for object in locked(&context.index).all() {
                    context.wake.object(object);
                }
                continue;
            }
            Event::Init | Event::InitApply(_) => continue,
        };
        let namespace = secret.namespace().unwrap_or_default();
        for object in locked(&context.index).wanting(&namespace, &secret.name_any()) {
            context.wake.object(object);
        }
        // The holder may have moved to another name meanwhile; it cleans up the old one itself.
        if let Some(owner) = secret.annotations().get(names::OWNER_ANNOTATION) {
            context.wake.object(ObjectRef::new(owner).within(&namespace));
        }
    }
}

/// Wakes whom a Secret that others own concerns: objects it stands in the way of, and stores it identifies.
pub async fn on_named_secrets(mut changed: UnboundedReceiver<(String, String)>, context: Arc<Context>) {
    while let Some((namespace, name)) = changed.recv().await {
        for object in locked(&context.index).wanting(&namespace, &name) {
            context.wake.object(object);
        }
        let cluster = context.caches.cluster_stores.state();
        let cluster = cluster.iter().filter(|store| {
            let secret = store.spec.identity.as_ref().map(|identity| &identity.credentials_secret_ref);
            secret.is_some_and(|secret| secret.namespace == namespace && secret.name == name)
        });
        cluster.for_each(|store| context.wake.store(StoreKey::cluster(store)));
        let stores = context.caches.stores.state();
        let stores = stores.iter().filter(|store| {
            store.namespace().as_deref() == Some(&namespace) && store.spec.identity.credentials_secret_ref.name == name
        });
        stores.for_each(|store| context.wake.store(StoreKey::namespaced(store)));
    }
}

/// Wakes the objects of a namespace whose labels changed: policies select by them.
pub async fn on_namespaces(mut namespaces: Watched<PartialObjectMeta<Namespace>>, context: Arc<Context>) {
    let mut labels = std::collections::HashMap::new();
    while let Some(event) = namespaces.events.next().await {
        match &event {
            Event::Apply(namespace) | Event::InitApply(namespace) => {
                let name = namespace.name_any();
                let now = Some(namespace.labels().clone());
                if labels.insert(name.clone(), now.clone()) != Some(now) {
                    for object in locked(&context.index).in_namespace(&name) {
                        context.wake.object(object);
                    }
                }
            }
            Event::Delete(namespace) => drop(labels.remove(&namespace.name_any())),
            Event::Init | Event::InitDone => {}
        }
    }
}

/// Forgets stores that went.
pub fn on_store<K: Resource<DynamicType = ()>>(event: &Event<K>, context: &Context, key: fn(&K) -> StoreKey) {
    match event {
        Event::Delete(store) => reconcile::forget(&key(store), store.meta().uid.as_deref(), context),
        // Those that went while nobody watched.
        Event::InitDone => reconcile::forget_missing(context),
        Event::Apply(_) | Event::InitApply(_) | Event::Init => {}
    }
}
