//! The events of one watch. It backs off on its own. Its errors are reported and left out here, because a controller
//! merges all its streams and an error of one would delay the others.

use std::{
    fmt::{self, Debug, Display, Formatter},
    future,
    sync::Arc,
};

use futures::{Stream, StreamExt};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use crate::api::names;

/// How long a watch stays open, in seconds: less than the idle timeouts of common load balancers.
const WATCH_SECONDS: u32 = 240;

/// Objects to a page of a list. Whole pages are in memory until their objects are pruned, and an object may carry 256 KiB
/// of annotations.
const PAGE_SIZE: u32 = 100;

/// The watch of Secrets that the operator does not own.
pub(crate) const FOREIGN_SECRETS: &str = "foreign-secrets";

/// The watch of the Leases of other operators.
pub(crate) const OTHER_LEASES: &str = "leases";

/// Which watch: what it watches, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchName {
    /// The resource, or [`FOREIGN_SECRETS`].
    pub(crate) resource: &'static str,
    /// The namespace; `None` for the whole cluster.
    pub(crate) namespace: Option<Arc<str>>,
}

impl WatchName {
    /// A watch of the whole cluster, or all watches of a resource.
    pub(crate) const fn all(resource: &'static str) -> Self {
        Self { resource, namespace: None }
    }
}

impl Display for WatchName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} of namespace {namespace}", self.resource),
            None => f.write_str(self.resource),
        }
    }
}

/// Receives the state of the watches.
pub(crate) trait WatchObserver: Send + Sync + 'static {
    /// Called when a watch has received a complete list.
    fn listed(&self, watch: &WatchName);
    /// Called when a watch failed and will be retried. `message` is one sentence for a person.
    fn failed(&self, watch: &WatchName, message: &str);
    /// Called when the API server refuses a watch that the operator can do without. It will be retried.
    fn forgone(&self, watch: &WatchName, message: &str);
}

/// The API server refuses a watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused;

/// Reports the state of one watch to the observer.
#[derive(Clone)]
pub(crate) struct WatchReporter {
    pub(crate) watch: WatchName,
    /// Whether the operator can do without it.
    pub(crate) is_optional: bool,
    pub(crate) observer: Arc<dyn WatchObserver>,
}

impl WatchReporter {
    fn event<K>(&self, event: &Event<K>) {
        if matches!(event, Event::InitDone) {
            self.observer.listed(&self.watch);
        }
    }

    /// Returns [`Refused`] if that is what the error means.
    fn error(&self, error: &watcher::Error) -> Option<Refused> {
        let is_refused = status_code(error) == Some(403);
        if is_refused && self.is_optional {
            let remedy = match self.watch.resource {
                OTHER_LEASES => "grant it the chart's Role for Leases, so that it notices other operators",
                _ => "set rbac.clusterStores=true in the chart to grant that",
            };
            let message = format!(
                "The operator may not list and watch {}, so it goes on without them; {remedy}.",
                self.watch.resource
            );
            self.observer.forgone(&self.watch, &message);
        } else {
            self.observer.failed(&self.watch, &describe(&self.watch, error));
        }
        is_refused.then_some(Refused)
    }
}

fn status_code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}

fn describe(watch: &WatchName, error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let WatchName { resource, namespace } = watch;
    let secrets = match namespace {
        Some(namespace) => format!("the Secrets of namespace {namespace}"),
        None => "the Secrets of all namespaces".to_owned(),
    };
    let remedy = match namespace {
        Some(namespace) => format!(
            "create the namespace {namespace} and grant the operator the chart's Role there, or take it out of --namespaces"
        ),
        None => "grant it the chart's ClusterRole".to_owned(),
    };
    let what = watch.to_string();
    let what = what.trim_start_matches("foreign-");
    match (status_code(error), error) {
        (Some(404), _) => format!(
            "CustomResourceDefinition {resource}.{} is not installed; apply the manifests in crds/ or install the chart.",
            names::GROUP
        ),
        (Some(403), _) if *resource == FOREIGN_SECRETS => format!(
            "The operator may not list and watch {secrets}, so it does not notice when credentials of stores and Secrets of \
             others change; {remedy}."
        ),
        (Some(403), _) => format!("The operator may not list and watch {what}; {remedy}."),
        (_, InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error)) => {
            format!("The watch of {what} failed ({error}); the operator retries.")
        }
        (_, error) => format!("The watch of {what} failed ({error}); the operator retries."),
    }
}

/// Returns the events of a watch. Errors are reported and left out, except that it is [`Refused`].
pub(crate) fn attempts<K>(
    api: Api<K>,
    config: watcher::Config,
    reporter: WatchReporter,
) -> impl Stream<Item = Result<Event<K>, Refused>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config.timeout(WATCH_SECONDS).page_size(PAGE_SIZE)).default_backoff().filter_map(move |item| {
        future::ready(match item {
            Ok(event) => {
                reporter.event(&event);
                Some(Ok(event))
            }
            Err(error) => reporter.error(&error).map(Err),
        })
    })
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
    attempts(api, config, reporter).filter_map(|attempt| future::ready(attempt.ok()))
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_watch_that_is_forbidden_says_what_is_missing() {
        let forbidden =
            watcher::Error::InitialListFailed(kube::Error::Api(Status { code: 403, ..Status::default() }.boxed()));
        let describe = |resource, namespace: Option<&str>| {
            describe(&WatchName { resource, namespace: namespace.map(Into::into) }, &forbidden)
        };
        assert!(describe("namespaces", None).starts_with("The operator may not list and watch namespaces; grant it"));
        let message = describe(FOREIGN_SECRETS, None);
        assert!(message.contains("Secrets of all namespaces") && message.ends_with("ClusterRole."), "{message}");
        let message = describe("secrets", Some("shop"));
        assert!(message.starts_with("The operator may not list and watch secrets of namespace shop; "), "{message}");
        assert!(message.contains("Role there, or take it out of --namespaces"), "{message}");
        let message = describe(FOREIGN_SECRETS, Some("shop"));
        assert!(message.contains("the Secrets of namespace shop, so"), "{message}");
    }
}
