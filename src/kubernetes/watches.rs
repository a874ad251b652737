//! Watches with caches. Each watch backs off on its own. Its errors are reported and dropped here, because a controller
//! merges all its streams and an error of one would delay the others.

use std::{collections::BTreeMap, fmt::Debug, future, sync::Arc};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, Resource,
    api::PartialObjectMeta,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter, names},
    kubernetes::cached::Watched,
};

/// Metadata of a Secret.
pub(crate) type SecretMeta = PartialObjectMeta<Secret>;

/// How long a watch stays open, in seconds: less than the idle timeouts of common load balancers.
const WATCH_SECONDS: u32 = 240;

/// Objects to a page of a list. Whole pages are in memory until their objects are pruned, and an object may carry 256 KiB
/// of annotations.
const PAGE_SIZE: u32 = 100;

/// The watch of Secrets that the operator does not own.
pub(crate) const FOREIGN_SECRETS: &str = "foreign-secrets";

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
            namespaces: pruned(Api::all(client.clone()), all, reporter("namespaces"), keep_labels),
            secrets: pruned(Api::all(client.clone()), owned, reporter("secrets"), keep_ownership),
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
        (Some(403), _) if watch == FOREIGN_SECRETS => "The operator may not list and watch the Secrets of all namespaces, so \
            it does not notice when credentials of stores and Secrets of others change; grant it the chart's ClusterRole."
            .to_owned(),
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
    Watched::new(events.map(|event| event.modify(keep_sync_annotation)))
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

/// Keeps the labels of a namespace, which access rules select by.
fn keep_labels(namespace: &mut PartialObjectMeta<Namespace>) {
    let meta = &mut namespace.metadata;
    meta.managed_fields = None;
    meta.owner_references = None;
    meta.finalizers = None;
    meta.annotations = None;
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

fn pruned<K>(api: Api<K>, config: watcher::Config, reporter: WatchReporter, prune: fn(&mut K)) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    Watched::new(stream(api, config, reporter).map(move |event| event.modify(prune)))
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
    watcher(api, config.timeout(WATCH_SECONDS).page_size(PAGE_SIZE)).default_backoff().filter_map(move |item| {
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

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
    use kube::core::Status;

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

        let mut namespace = PartialObjectMeta::<Namespace> { metadata: full(), ..PartialObjectMeta::default() };
        keep_labels(&mut namespace);
        assert_eq!(rest(&namespace.metadata), (vec![], vec![names::OWNER_UID_LABEL, "team"], false, true));

        let mut secret = SecretMeta { metadata: full(), ..SecretMeta::default() };
        keep_ownership(&mut secret);
        let expected = (vec![names::OWNER_ANNOTATION], vec![names::OWNER_UID_LABEL], false, true);
        assert_eq!(rest(&secret.metadata), expected);
    }

    #[test]
    fn a_watch_that_is_forbidden_says_what_is_missing() {
        let forbidden =
            watcher::Error::InitialListFailed(kube::Error::Api(Status { code: 403, ..Status::default() }.boxed()));
        assert!(describe("namespaces", &forbidden).starts_with("The operator may not list and watch namespaces;"));
        let message = describe(FOREIGN_SECRETS, &forbidden);
        assert!(message.contains("Secrets of all namespaces") && message.ends_with("ClusterRole."), "{message}");
    }
}
