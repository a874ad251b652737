//! When objects first showed a value.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

/// Time between two looks at what the watch has seen.
const INTERVAL: Duration = Duration::from_millis(10);

/// Name of an object and a value, with the time when they were first seen together.
type Seen = HashMap<(String, String), Instant>;

/// Watches objects until it is dropped. A watch costs the API server less than frequent reads.
pub struct Sightings {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Sightings {
    /// Starts to watch. `value` is what an object shows.
    pub fn of<K>(api: Api<K>, value: impl Fn(&K) -> Option<String> + Send + Sync + 'static) -> Self
    where
        K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let events = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
            let note = async |object: K| {
                if let Some(value) = value(&object) {
                    let key = (object.name_any(), value);
                    noted.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(Instant::now);
                }
                Ok(())
            };
            // A watch that fails begins anew, so that it never ends.
            let _ = events.try_for_each(note).await;
        });
        Self { seen, task }
    }

    /// Waits until the object has shown the value, and returns when it first did. Returns `None` at the deadline.
    pub async fn of_value(&self, name: &str, value: &str, deadline: Instant) -> Option<Instant> {
        self.of_any(name, |shown| shown == value, deadline).await.map(|(_, at)| at)
    }

    /// Waits until the object has shown a value like this. Returns it, and when it was first shown.
    pub async fn of_any(
        &self,
        name: &str,
        matches: impl Fn(&str) -> bool,
        deadline: Instant,
    ) -> Option<(String, Instant)> {
        loop {
            let first = self.first(name, &matches);
            if first.is_some() || Instant::now() >= deadline {
                return first;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn first(&self, name: &str, matches: impl Fn(&str) -> bool) -> Option<(String, Instant)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let matching = seen.iter().filter(|((shown_by, value), _)| shown_by == name && matches(value));
        matching.min_by_key(|(_, at)| **at).map(|((_, value), at)| (value.clone(), *at))
    }
}

impl Drop for Sightings {
    fn drop(&mut self) {
        self.task.abort();
    }
}
