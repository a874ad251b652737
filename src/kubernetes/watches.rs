//! Watches with caches: one watch for each kind, or one for each kind and namespace if the operator works in some only.
//! Of each object, only what is read is kept.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::watcher::{self, Event},
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::api::{ClusterParameterStore, ParameterStore, Reason, SecureParameter, names};
use crate::domain::shard::selector::WatchSelector;
use crate::kubernetes::{
    cached::{Change, Watched},
    merged::Part,
    owned_secrets::{OwnedSecretWatch, SecretChange},
    scope::{Scope, api_of},
    shared_texts::SharedTexts,
    watch_stream::{Refused, WatchName, WatchObserver, WatchReporter, attempts},
};

/// Most labels of an object that are kept.
const LABELS: usize = 64;

/// The watches of the operator.
pub(crate) struct Watches {
    /// All `SecureParameter`s.
    pub(crate) secure_parameters: Watched<SecureParameter>,
    /// All `ClusterParameterStore`s.
    pub(crate) cluster_stores: Watched<ClusterParameterStore>,
    /// All `ParameterStore`s.
    pub(crate) stores: Watched<ParameterStore>,
    /// Metadata of all namespaces.
    pub(crate) namespaces: Watched<PartialObjectMeta<Namespace>>,
    /// The Secrets that the operator owns, selected by the owner label.
    pub(crate) secrets: OwnedSecretWatch,
    /// Where the operator works.
    pub(crate) scope: Scope,
    /// Whether it may not list `ClusterParameterStore`s, and goes on without them.
    pub(crate) without_cluster_stores: Flag,
    /// Whether it may not list namespaces, and goes on without them.
    pub(crate) without_namespaces: Flag,
}

/// A fact that a watch changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    /// Reports whether it is set.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Follows whether a watch is refused.
    fn follow<K>(&self, attempt: &Result<Event<K>, Refused>) {
        match attempt {
            Err(Refused) => self.0.store(true, Ordering::Relaxed),
            Ok(Event::InitDone) => self.0.store(false, Ordering::Relaxed),
            Ok(_) => {}
        }
    }
}

impl Watches {
    /// Creates all watches. They run while their events are polled.
    pub(crate) fn new(
        client: &Client,
        scope: &Scope,
        selector: Option<&WatchSelector>,
        observer: &Arc<dyn WatchObserver>,
    ) -> Self {
        let builder = Builder { client, scope, observer };
        let owned = watcher::Config::default().labels(names::OWNER_UID_LABEL);
        let (without_cluster_stores, without_namespaces) = (Flag::default(), Flag::default());
        let listed = scope.clone();
        Self {
            secure_parameters: objects(&builder, selector),
            cluster_stores: builder.cluster("clusterparameterstores", &without_cluster_stores, guarded),
            stores: builder.namespaced("parameterstores", &watcher::Config::default(), guarded),
            namespaces: builder.cluster("namespaces", &without_namespaces, move |api, config, reporter| {
                namespaces_of(listed, pruned(api, config, reporter, keep_labels))
            }),
            secrets: builder.owned_secrets("secrets", &owned),
            scope: scope.clone(),
            without_cluster_stores,
            without_namespaces,
        }
    }

    /// Fills the caches, but announces no change before `start` resolves; see [`Watched::after`].
    pub(crate) fn after<F: Future<Output = ()> + Send + 'static>(self, start: impl Fn() -> F) -> Self {
        Self {
            secure_parameters: self.secure_parameters.after(start()),
            cluster_stores: self.cluster_stores.after(start()),
            stores: self.stores.after(start()),
            namespaces: self.namespaces.after(start()),
            secrets: self.secrets.after(start()),
            ..self
        }
    }
}

/// The watches that readiness waits for.
pub(crate) const WATCHES: &[&str] =
    &["secureparameters", "clusterparameterstores", "parameterstores", "namespaces", "secrets"];

/// What a watch yields.
type Attempts<K> = BoxStream<'static, Result<Event<K>, Refused>>;

/// Makes the watches of a scope: one for each kind, or one for each namespace.
struct Builder<'a> {
    client: &'a Client,
    scope: &'a Scope,
    observer: &'a Arc<dyn WatchObserver>,
}

impl Builder<'_> {
    fn namespaced<K, A>(
        &self,
        resource: &'static str,
        config: &watcher::Config,
        watch: impl Fn(Api<A>, watcher::Config, WatchReporter) -> Attempts<K>,
    ) -> Watched<K>
    where
        K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
        A: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        self.watched(resource, self.parts(resource, config, watch))
    }

    fn parts<K, A>(
        &self,
        resource: &'static str,
        config: &watcher::Config,
        watch: impl Fn(Api<A>, watcher::Config, WatchReporter) -> Attempts<K>,
    ) -> Vec<Part<K>>
    where
        A: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let parts = self.scope.parts().into_iter().map(|namespace| {
            let reporter = self.reporter(resource, namespace.clone(), false);
            Part { attempts: watch(api_of(self.client, namespace.as_deref()), config.clone(), reporter), namespace }
        });
        parts.collect()
    }

    fn owned_secrets(&self, resource: &'static str, config: &watcher::Config) -> OwnedSecretWatch {
        let parts = self.parts(resource, config, |api, config, reporter| attempts(api, config, reporter).boxed());
        let (watch, observer, is_limited) =
            (OwnedSecretWatch::new(parts), self.observer.clone(), self.scope.is_limited());
        let changes = watch.changes.inspect(move |change| {
            if is_limited && *change == SecretChange::Listed {
                observer.listed(&WatchName::all(resource));
            }
        });
        OwnedSecretWatch { changes: changes.boxed(), ..watch }
    }

    /// Watches a kind that has no namespaces. Where the scope is limited, the operator can do without it.
    fn cluster<K, A>(
        &self,
        resource: &'static str,
        is_refused: &Flag,
        watch: impl FnOnce(Api<A>, watcher::Config, WatchReporter) -> Attempts<K>,
    ) -> Watched<K>
    where
        K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
        A: Resource<DynamicType = ()>,
    {
        let (reporter, is_refused) = (self.reporter(resource, None, self.scope.is_limited()), is_refused.clone());
        let attempts = watch(Api::all(self.client.clone()), watcher::Config::default(), reporter);
        let attempts = attempts.inspect(move |attempt| is_refused.follow(attempt)).boxed();
        self.watched(resource, vec![Part { namespace: None, attempts }])
    }

    fn reporter(&self, resource: &'static str, namespace: Option<Arc<str>>, is_optional: bool) -> WatchReporter {
        WatchReporter { watch: WatchName { resource, namespace }, is_optional, observer: self.observer.clone() }
    }

    fn watched<K>(&self, resource: &'static str, mut parts: Vec<Part<K>>) -> Watched<K>
    where
        K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        if !self.scope.is_limited()
            && let Some(part) = parts.pop()
        {
            return Watched::new(part.attempts.filter_map(|attempt| future::ready(attempt.ok())));
        }
        let (watched, observer) = (Watched::merged(parts), self.observer.clone());
        let changes = watched.changes.inspect(move |change| {
            if matches!(change, Change::Listed { .. }) {
                observer.listed(&WatchName::all(resource));
            }
        });
        Watched { changes: changes.boxed(), ..watched }
    }
}

/// Watches `SecureParameter`s. Those that a selector selects keep their labels, which tell whether others select them too.
fn objects(builder: &Builder<'_>, selector: Option<&WatchSelector>) -> Watched<SecureParameter> {
    let config = watcher::Config::default();
    // One for all namespaces, whose watches fill one cache.
    let texts = Arc::default();
    match selector {
        None => builder.namespaced("secureparameters", &config, |api, config, reporter| {
            valid(api, config, reporter, sharing_texts(&texts, keep_sync_annotation))
        }),
        Some(selector) => {
            let config = config.labels(&selector.to_string());
            builder.namespaced("secureparameters", &config, |api, config, reporter| {
                valid(api, config, reporter, sharing_texts(&texts, keep_sync_annotation_and_labels))
            })
        }
    }
}

/// Watches objects some of which may not match their schema, after a downgrade for example. Those are logged and left
/// out, so that they do not break the whole list.
fn guarded<K>(api: Api<DeserializeGuard<K>>, config: watcher::Config, reporter: WatchReporter) -> Attempts<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    valid(api, config, reporter, keep_sync_annotation)
}

fn valid<K>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    reporter: WatchReporter,
    mut prune: impl FnMut(&mut K) + Send + 'static,
) -> Attempts<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let watch = reporter.watch.resource;
    let mut valid = move |event| Some(unguard(event, watch)?.modify(&mut prune));
    let attempts = attempts(api, config, reporter);
    attempts.filter_map(move |attempt| future::ready(attempt.map(&mut valid).transpose())).boxed()
}

/// Prunes objects, and has their statuses share the texts that they have in common.
fn sharing_texts(
    texts: &Arc<Mutex<SharedTexts>>,
    prune: fn(&mut SecureParameter),
) -> impl FnMut(&mut SecureParameter) + Send + 'static {
    let texts = Arc::clone(texts);
    move |object| {
        prune(object);
        texts.lock().share(object);
    }
}

/// Drops the metadata that nobody reads, to save memory: tenants may fill it. Of the annotations, the one that asks for a
/// sync stays, as long as it is compared.
fn keep_sync_annotation<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    meta.owner_references = None;
    meta.labels = None;
    let sync = meta.annotations.take().and_then(|mut annotations| annotations.remove_entry(names::SYNC_ANNOTATION));
    meta.annotations = sync.map(|(key, value)| BTreeMap::from([(key, names::sync_token(&value).to_owned())]));
}

/// The same, but labels stay: the first in order, since a tenant may set any number. All operators keep the same ones.
fn keep_sync_annotation_and_labels<K: Resource>(object: &mut K) {
    let labels = object.meta_mut().labels.take();
    keep_sync_annotation(object);
    object.meta_mut().labels = labels.map(|labels| labels.into_iter().take(LABELS).collect());
}

/// Keeps the labels of a namespace, which access rules select by.
fn keep_labels(namespace: &mut PartialObjectMeta<Namespace>) {
    let meta = &mut namespace.metadata;
    meta.managed_fields = None;
    meta.owner_references = None;
    meta.finalizers = None;
    meta.annotations = None;
}

fn unguard<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>, watch: &str) -> Option<Event<K>> {
    let valid = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            let (name, namespace) = (invalid.metadata.name.as_deref(), invalid.metadata.namespace.as_deref());
            tracing::warn!(
                kind = K::kind(&()).as_ref(),
                namespace,
                name,
                reason = Reason::InvalidSpec.as_str(),
                watch,
                "ignored an object that does not match its schema; apply the CustomResourceDefinitions of this release"
            );
            None
        }
    };
    Some(match event {
        Event::Apply(guard) => Event::Apply(valid(guard)?),
        Event::InitApply(guard) => Event::InitApply(valid(guard)?),
        Event::Delete(guard) => Event::Delete(valid(guard)?),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
}

fn pruned<K>(api: Api<K>, config: watcher::Config, reporter: WatchReporter, prune: fn(&mut K)) -> Attempts<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    attempts(api, config, reporter).map(move |attempt| attempt.map(|event| event.modify(prune))).boxed()
}

/// Leaves out the namespaces that the operator does not work in.
fn namespaces_of<K: Resource + Send + 'static>(scope: Scope, namespaces: Attempts<K>) -> Attempts<K> {
    let is_in = move |attempt: &Result<Event<K>, Refused>| match attempt {
        Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
            scope.contains(&object.name_any())
        }
        Ok(Event::Init | Event::InitDone) | Err(Refused) => true,
    };
    namespaces.filter(move |attempt| future::ready(is_in(attempt))).boxed()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};

    use super::*;

    /// The metadata of an object in which tenants have filled everything.
    fn full() -> ObjectMeta {
        let map = |keys: &[&str]| Some(keys.iter().map(|key| ((*key).to_owned(), "x".repeat(1_000))).collect());
        ObjectMeta {
            name: Some("checkout".into()),
            annotations: map(&[names::SYNC_ANNOTATION, names::OWNER_ANNOTATION, "notes"]),
            labels: map(&[names::OWNER_UID_LABEL, "team"]),
            finalizers: Some(vec![names::MERGE_FINALIZER.into()]),
            owner_references: Some(vec![OwnerReference::default()]),
            managed_fields: Some(vec![ManagedFieldsEntry::default()]),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn objects_of_all_namespaces_share_texts_and_are_pruned() {
        let texts = Arc::default();
        let mut objects = Vec::new();
        for prune in [keep_sync_annotation, keep_sync_annotation_and_labels] {
            let store = serde_json::json!({"store": {"kind": "ClusterParameterStore", "name": "default"}});
            let mut object = SecureParameter::new("checkout", crate::api::SecureParameterSpec::default());
            object.metadata = full();
            object.status = serde_json::from_value(store).expect("a status");
            sharing_texts(&texts, prune)(&mut object);
            assert!(object.metadata.managed_fields.is_none());
            objects.push(object);
        }
        let stores = objects.iter().map(|object| object.status.as_ref().and_then(|status| status.store.as_ref()));
        let addresses: Vec<_> = stores.map(|store| store.map(|store| store.name.as_ptr().addr())).collect();
        assert!(addresses[0].is_some() && addresses[0] == addresses[1]);
    }

    fn keys(map: Option<&BTreeMap<String, String>>) -> Vec<&str> {
        map.into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    fn rest(meta: &ObjectMeta) -> (Vec<&str>, Vec<&str>, bool, bool) {
        let is_pruned = meta.managed_fields.is_none() && meta.owner_references.is_none();
        (keys(meta.annotations.as_ref()), keys(meta.labels.as_ref()), meta.finalizers.is_some(), is_pruned)
    }

    #[test]
    fn caches_keep_only_what_is_read() {
        let mut object = SecureParameter::new("checkout", crate::api::SecureParameterSpec::default());
        object.metadata = full();
        keep_sync_annotation(&mut object);
        assert_eq!(rest(&object.metadata), (vec![names::SYNC_ANNOTATION], vec![], true, true));
        let token = &object.metadata.annotations.expect("annotations")[names::SYNC_ANNOTATION];
        assert_eq!(token.len(), 256, "no more is compared");
        object.metadata = full();
        keep_sync_annotation_and_labels(&mut object);
        let labels = vec![names::OWNER_UID_LABEL, "team"];
        assert_eq!(rest(&object.metadata), (vec![names::SYNC_ANNOTATION], labels, true, true));
        object.metadata.labels = Some((0..1_000).map(|n| (n.to_string(), String::new())).collect());
        keep_sync_annotation_and_labels(&mut object);
        assert_eq!(object.labels().len(), LABELS);

        let mut namespace = PartialObjectMeta::<Namespace> { metadata: full(), ..PartialObjectMeta::default() };
        keep_labels(&mut namespace);
        assert_eq!(rest(&namespace.metadata), (vec![], vec![names::OWNER_UID_LABEL, "team"], false, true));
    }
}
