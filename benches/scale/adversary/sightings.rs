//! When the Secrets of a namespace first held a value.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use tokio::task::JoinHandle;

/// Time between two looks at what the watch has seen.
const INTERVAL: Duration = Duration::from_millis(10);

/// Name of a Secret and the value of its key `KEY`, with the time when they were first seen together.
type Seen = HashMap<(String, String), Instant>;

/// Watches the Secrets of a namespace until it is dropped. A watch costs the API server less than frequent reads.
pub struct Sightings {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Sightings {
    /// Starts to watch.
    pub fn of(secrets: Api<Secret>) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let events = watcher(secrets, watcher::Config::default()).default_backoff().applied_objects();
            let note = async |secret: Secret| {
                let value = secret.data.as_ref().and_then(|data| data.get("KEY"));
                if let Some(value) = value {
                    let key = (secret.name_any(), String::from_utf8_lossy(&value.0).into_owned());
                    noted.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(Instant::now);
                }
                Ok(())
            };
            // A watch that fails begins anew, so that it never ends.
            let _ = events.try_for_each(note).await;
        });
        Self { seen, task }
    }

    /// Waits until the Secret has held the value, and returns when it first did. Returns `None` at the deadline.
    pub async fn of_value(&self, secret: &str, value: &str, deadline: Instant) -> Option<Instant> {
        let key = (secret.to_owned(), value.to_owned());
        loop {
            let at = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
            if at.is_some() || Instant::now() >= deadline {
                return at;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

impl Drop for Sightings {
    fn drop(&mut self) {
        self.task.abort();
    }
}
