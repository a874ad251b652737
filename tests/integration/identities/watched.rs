//! Notices every object that leaves Ready, however shortly.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use anyhow::{Result, ensure};
use futures::StreamExt;
use kube::{
    Api, ResourceExt,
    runtime::watcher::{self, Event, watcher},
};
use secure_parameter_operator::api::SecureParameter;
use tokio::task::JoinHandle;

use crate::support::{World, ready};

/// Follows all objects. Ends when it is dropped.
pub struct Departures {
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Departures {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Departures {
    /// Begins to follow.
    pub fn of(world: &World) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (objects, found) = (Api::<SecureParameter>::all(world.client.clone()), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(watcher(objects, watcher::Config::default()));
            let mut were_ready = BTreeSet::new();
            while let Some(event) = events.next().await {
                let Ok(Event::Apply(object) | Event::InitApply(object)) = event else { continue };
                let Some(condition) = ready(&object) else { continue };
                let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
                if format!("{:?}", condition.status) == "True" {
                    were_ready.insert(name);
                } else if were_ready.remove(&name) {
                    let text = format!("{name}: {}: {}", condition.reason, condition.message);
                    found.lock().expect("not poisoned").push(text);
                }
            }
        });
        Self { seen, task }
    }

    /// Fails if an object was Ready and then was not, since the last time.
    pub fn none(&self) -> Result<()> {
        let seen = std::mem::take(&mut *self.seen.lock().expect("not poisoned"));
        ensure!(seen.is_empty(), "{} objects left Ready: {}", seen.len(), seen[0]);
        Ok(())
    }
}
