//! Watches with caches. Each watch backs off on its own. Its errors are reported and dropped here, because a controller
//! merges all its streams and an error of one would delay the others.

use std::{fmt::Debug, future, hash::Hash, sync::Arc};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use crate::api::{ClusterParameterStore, ParameterStore, SecureParameter, names};

/// Metadata of a Secret.
pub(crate) type SecretMeta = PartialObjectMeta<Secret>;

/// How long a watch stays open, in seconds: less than the idle timeouts of common load balancers.
const WATCH_SECONDS: u32 = 240;

/// The annotation in which `kubectl apply` keeps the last manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A cache and the events that fill it. The cache is filled only while the events are polled.
pub(crate) struct Watched<K: Resource<DynamicType = ()> + 'static> {
    /// The cache.
    pub(crate) store: Store<K>,
    /// Every event, after it was applied to the cache.
    pub(crate) events: futures::stream::BoxStream<'static, Event<K>>,
}

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
    /// Metadata of the Secrets that the operator owns, selected by the owner label.
    pub(crate) secrets: Watched<SecretMeta>,
}

impl Watches {
    /// Creates all watches. They run while their events are polled.
    pub(crate) fn new(client: &Client, observer: &Arc<dyn WatchObserver>) -> Self {
        let reporter = |watch| WatchReporter { watch, observer: observer.clone() };
        let owned = watcher::Config::default().labels(names::OWNER_UID_LABEL);
        let all = watcher::Config::default();
        Self {
            secure_parameters: guarded(Api::all(client.clone()), all.clone(), reporter("secureparameters")),
            cluster_stores: guarded(Api::all(client.clone()), all.clone(), reporter("clusterparameterstores")),
            stores: guarded(Api::all(client.clone()), all.clone(), reporter("parameterstores")),
            namespaces: plain(Api::all(client.clone()), all, reporter("namespaces"), |namespace| {
                namespace.metadata.managed_fields = None;
            }),
            secrets: plain(Api::all(client.clone()), owned, reporter("secrets"), keep_ownership),
        }
    }
}

/// Receives the state of the watches.
pub(crate) trait WatchObserver: Send + Sync + 'static {
    /// Called when a watch has received a complete list.
    fn listed(&self, watch: &'static str);
    /// Called when a watch failed and will be retried. `message` is one sentence for a person.
    fn failed(&self, watch: &'static str, message: &str);
}

/// The watches that readiness waits for.
pub(crate) const WATCHES: &[&str] =
    &["secureparameters", "clusterparameterstores", "parameterstores", "namespaces", "secrets"];

/// Reports the state of one watch to the observer.
#[derive(Clone)]
pub(crate) struct WatchReporter {
    pub(crate) watch: &'static str,
    pub(crate) observer: Arc<dyn WatchObserver>,
}

impl WatchReporter {
    fn event<K>(&self, event: &Event<K>) {
        if matches!(event, Event::InitDone) {
            self.observer.listed(self.watch);
        }
    }

    fn error(&self, error: &watcher::Error) {
        self.observer.failed(self.watch, &describe(self.watch, error));
    }
}

fn describe(watch: &str, error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let status = match error {
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    };
    let resource = watch.trim_start_matches("foreign-");
    match (status.map(|status| status.code), error) {
        (Some(404), _) => format!(
            "CustomResourceDefinition {watch}.{} is not installed; apply the manifests in crds/ or install the chart.",
            names::GROUP
        ),
        (Some(403), _) => format!("The operator may not list and watch {resource}; grant it the chart's ClusterRole."),
        (_, InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error)) => {
            format!("The watch of {resource} failed ({error}); the operator retries.")
        }
        (_, error) => format!("The watch of {resource} failed ({error}); the operator retries."),
    }
}

/// Watches objects some of which may not match their schema, after a downgrade for example. Those are logged and left
/// out, so that they do not break the whole list.
fn guarded<K>(api: Api<DeserializeGuard<K>>, config: watcher::Config, reporter: WatchReporter) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let watch = reporter.watch;
    let events = stream(api, config, reporter).filter_map(move |event| future::ready(unguard(event, watch)));
    cached(events.map(|event| event.modify(strip)))
}

/// Drops what the operator does not read, to save memory.
fn strip<K: Resource>(object: &mut K) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove(LAST_APPLIED);
}

fn unguard<K: Resource>(event: Event<DeserializeGuard<K>>, watch: &str) -> Option<Event<K>> {
    let valid = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            let (name, namespace) = (invalid.metadata.name.as_deref(), invalid.metadata.namespace.as_deref());
            tracing::warn!(
                watch,
                name,
                namespace,
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

/// Keeps only the metadata that the cache of Secrets is used for, to save memory.
fn keep_ownership(secret: &mut SecretMeta) {
    secret.metadata.managed_fields = None;
    secret.metadata.owner_references = None;
    secret.metadata.finalizers = None;
    if let Some(labels) = &mut secret.metadata.labels {
        labels.retain(|key, _| key == names::OWNER_UID_LABEL);
    }
    if let Some(annotations) = &mut secret.metadata.annotations {
        annotations.retain(|key, _| key == names::OWNER_ANNOTATION);
    }
}

fn plain<K>(api: Api<K>, config: watcher::Config, reporter: WatchReporter, prune: fn(&mut K)) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    cached(stream(api, config, reporter).map(move |event| event.modify(prune)))
}

fn cached<K>(events: impl Stream<Item = Event<K>> + Send + 'static) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
{
    let (store, mut writer) = reflector::store();
    let events = events.inspect(move |event| writer.apply_watcher_event(event)).boxed();
    Watched { store, events }
}

/// Returns the events of a watch. Errors are reported and left out.
pub(crate) fn stream<K>(
    api: Api<K>,
    config: watcher::Config,
    reporter: WatchReporter,
) -> impl Stream<Item = Event<K>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config.timeout(WATCH_SECONDS)).default_backoff().filter_map(move |item| {
        future::ready(match item {
            Ok(event) => {
                reporter.event(&event);
                Some(event)
            }
            Err(error) => {
                reporter.error(&error);
                None
            }
        })
    })
}
