//! Watches of single Secrets that others own: credentials of stores, and Secrets in the way of ours. One small watch
//! each, since a watch of all Secrets of a cluster would cost memory for every one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt;
use kube::{Api, Client, runtime::watcher};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::AbortHandle,
};

use crate::kubernetes::watches::{Report, SecretMeta, WatchObserver, stream};

/// Namespace and name of a Secret.
type Key = (String, String);

/// The watched Secrets, each with those who asked for it.
pub struct ForeignSecrets {
    client: Client,
    report: Report,
    watched: Mutex<BTreeMap<Key, Watched>>,
    changed: UnboundedSender<Key>,
}

struct Watched {
    subscribers: BTreeSet<String>,
    task: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ForeignSecrets {
    /// No watches yet; the receiver gets namespace and name of each Secret that changes.
    pub fn new(client: Client, observer: Arc<dyn WatchObserver>) -> (Self, UnboundedReceiver<Key>) {
        let (changed, receiver) = unbounded_channel();
        let report = Report { name: "named-secrets", observer };
        (Self { client, report, watched: Mutex::default(), changed }, receiver)
    }

    /// Makes `subscriber` follow exactly this Secret, or none.
    pub fn follow(&self, subscriber: &str, secret: Option<(&str, &str)>) {
        let wanted = secret.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|key, watch| {
            if Some(key) != wanted.as_ref() {
                watch.subscribers.remove(subscriber);
            }
            !watch.subscribers.is_empty()
        });
        if let Some(key) = wanted {
            let watch = watched.entry(key).or_insert_with_key(|key| self.start(key));
            watch.subscribers.insert(subscriber.to_owned());
        }
    }

    fn start(&self, (namespace, name): &Key) -> Watched {
        let api: Api<SecretMeta> = Api::namespaced(self.client.clone(), namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let (key, changed) = ((namespace.clone(), name.clone()), self.changed.clone());
        let mut events = stream(api, config, self.report.clone()).boxed();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                // The end of the first list counts too: the Secret may have gone before the watch began.
                if !matches!(event, watcher::Event::Init) && changed.send(key.clone()).is_err() {
                    return;
                }
            }
        });
        Watched { subscribers: BTreeSet::new(), task: task.abort_handle() }
    }
}
