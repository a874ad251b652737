//! Watches single Secrets that the operator does not own: credentials of stores, and Secrets that consent to keys or
//! stand in the way of a target. Each has a watch of its own, since a watch of all Secrets would use memory for every
//! Secret of the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::StreamExt;
use kube::{Api, Client, runtime::watcher};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::AbortHandle,
};

use crate::kubernetes::watches::{SecretMeta, WatchObserver, WatchReporter, stream};

/// Namespace and name of a Secret.
type SecretKey = (String, String);

/// The watches, one for each Secret that somebody subscribed to.
pub(crate) struct ForeignSecrets {
    client: Client,
    reporter: WatchReporter,
    watches: Mutex<BTreeMap<SecretKey, Watch>>,
    changed: UnboundedSender<SecretKey>,
}

/// A running watch. Ends when it is dropped.
struct Watch {
    subscribers: BTreeSet<String>,
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ForeignSecrets {
    /// Creates an empty set of watches. The receiver yields namespace and name of each Secret that changed.
    pub(crate) fn new(client: Client, observer: Arc<dyn WatchObserver>) -> (Self, UnboundedReceiver<SecretKey>) {
        let (changed, receiver) = unbounded_channel();
        let reporter = WatchReporter { watch: "foreign-secrets", observer };
        (Self { client, reporter, watches: Mutex::default(), changed }, receiver)
    }

    /// Subscribes `subscriber` to this Secret and to no other, or to none.
    pub(crate) fn follow(&self, subscriber: &str, secret: Option<(&str, &str)>) {
        let secret = secret.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let mut watches = self.watches.lock();
        watches.retain(|key, watch| {
            if Some(key) != secret.as_ref() {
                watch.subscribers.remove(subscriber);
            }
            !watch.subscribers.is_empty()
        });
        if let Some(key) = secret {
            let watch = watches.entry(key).or_insert_with_key(|key| self.start(key));
            watch.subscribers.insert(subscriber.to_owned());
        }
    }

    fn start(&self, (namespace, name): &SecretKey) -> Watch {
        let api: Api<SecretMeta> = Api::namespaced(self.client.clone(), namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let (key, changed) = ((namespace.clone(), name.clone()), self.changed.clone());
        let mut events = stream(api, config, self.reporter.clone()).boxed();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                // The end of the first list counts as a change: the Secret may have been deleted before the watch began.
                if !matches!(event, watcher::Event::Init) && changed.send(key.clone()).is_err() {
                    return;
                }
            }
        });
        Watch { subscribers: BTreeSet::new(), task: task.abort_handle() }
    }
}
