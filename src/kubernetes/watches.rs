//! Watches with caches. Each backs off by itself, and its errors are counted and dropped here: within one controller
//! all streams are merged, and an error from any of them would hold up all others.

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
use crate::kubernetes::secrets::write::prune;

/// Metadata of a Secret of ours.
pub type SecretMeta = PartialObjectMeta<Secret>;

/// How long a watch may stay open, in seconds: below the idle limits of common load balancers.
const WATCH_TIMEOUT: u32 = 240;

/// Where `kubectl apply` keeps its copy of a manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A cache and the changes that fill it.
pub struct Watched<K: Resource<DynamicType = ()> + 'static> {
    /// What exists.
    pub store: Store<K>,
    /// Every change, after the cache shows it.
    pub events: futures::stream::BoxStream<'static, Event<K>>,
}

/// All watches of the operator.
pub struct Watches {
    /// All `SecureParameter`s.
    pub secure_parameters: Watched<SecureParameter>,
    /// All `ClusterParameterStore`s.
    pub cluster_stores: Watched<ClusterParameterStore>,
    /// All `ParameterStore`s.
    pub stores: Watched<ParameterStore>,
    /// Metadata of all namespaces.
    pub namespaces: Watched<PartialObjectMeta<Namespace>>,
    /// Metadata of the Secrets that carry our label.
    pub secrets: Watched<SecretMeta>,
}

impl Watches {
    /// Prepares all watches. They run when their events are polled.
    pub fn new(client: &Client, observer: &Arc<dyn WatchObserver>) -> Self {
        let report = |name| Report { name, observer: observer.clone() };
        let ours = watcher::Config::default().labels(names::OWNER_UID_LABEL);
        let all = watcher::Config::default();
        Self {
            secure_parameters: guarded(Api::all(client.clone()), all.clone(), report("secureparameters")),
            cluster_stores: guarded(Api::all(client.clone()), all.clone(), report("clusterparameterstores")),
            stores: guarded(Api::all(client.clone()), all.clone(), report("parameterstores")),
            namespaces: plain(Api::all(client.clone()), all, report("namespaces"), |namespace| {
                namespace.metadata.managed_fields = None;
            }),
            secrets: plain(Api::all(client.clone()), ours, report("secrets"), prune),
        }
    }
}

/// Is told how the watches are.
pub trait WatchObserver: Send + Sync + 'static {
    /// A watch has a complete list.
    fn listed(&self, watch: &'static str);
    /// A watch failed, and is tried again; `message` is a sentence for a person.
    fn failed(&self, watch: &'static str, message: &str);
}

/// Names of all watches that readiness waits for.
pub const WATCHES: &[&str] =
    &["secureparameters", "clusterparameterstores", "parameterstores", "namespaces", "secrets"];

/// A watch and whom it tells how it is.
#[derive(Clone)]
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) observer: Arc<dyn WatchObserver>,
}

impl Report {
    fn event<K>(&self, event: &Event<K>) {
        if matches!(event, Event::InitDone) {
            self.observer.listed(self.name);
        }
    }

    fn error(&self, error: &watcher::Error) {
        self.observer.failed(self.name, &describe(self.name, error));
    }
}

fn describe(name: &str, error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let status = match error {
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    };
    let resource = name.trim_start_matches("named-");
    match (status.map(|status| status.code), error) {
        (Some(404), _) => format!(
            "CustomResourceDefinition {name}.{} is not installed; apply the manifests in crds/ or install the chart.",
            names::GROUP
        ),
        (Some(403), _) => format!("The operator may not list and watch {resource}; grant it the chart's ClusterRole."),
        (_, InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error)) => {
            format!("Watching {name} failed ({error}); the operator keeps trying.")
        }
        (_, error) => format!("Watching {name} failed ({error}); the operator keeps trying."),
    }
}

/// A watch of objects that may not be what their schema says (after a downgrade, say): those are logged and left out,
/// instead of breaking the whole list.
fn guarded<K>(api: Api<DeserializeGuard<K>>, config: watcher::Config, report: Report) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let name = report.name;
    let events = stream(api, config, report).filter_map(move |event| future::ready(unguard(event, name)));
    cached(events.map(|event| event.modify(strip)))
}

/// Leaves out what nobody here reads: who holds which field, and the copy of the manifest that `kubectl apply` keeps.
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
                "an object does not fit its schema and is left alone; apply the newest CRDs"
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

fn plain<K>(api: Api<K>, config: watcher::Config, report: Report, prune: fn(&mut K)) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    cached(stream(api, config, report).map(move |event| event.modify(prune)))
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

/// The events of a watch, without its errors.
pub(crate) fn stream<K>(
    api: Api<K>,
    config: watcher::Config,
    report: Report,
) -> impl Stream<Item = Event<K>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config.timeout(WATCH_TIMEOUT)).default_backoff().filter_map(move |item| {
        future::ready(match item {
            Ok(event) => {
                report.event(&event);
                Some(event)
            }
            Err(error) => {
                report.error(&error);
                None
            }
        })
    })
}
