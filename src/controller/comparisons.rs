//! Queues each object and store every ten hours, spread, in case a change of it was lost. What is as it should be costs
//! neither a call of AWS nor a write.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt;
use tokio::time::{Instant, sleep};

use crate::controller::{context::Context, index::StoreKey};
use crate::domain::schedule::{comparison::is_due, uptime::Uptime};

/// Interval at which due objects are looked for.
const STEP: Duration = Duration::from_secs(60);

/// Queues what is due, for as long as the process runs.
pub(crate) async fn run(context: Arc<Context>) {
    each_step(|from, to| queue_due(&context, |uid| is_due(uid, from, to))).await;
}

/// Calls `step` again and again with the time that has passed since the last call, without gaps.
async fn each_step(mut step: impl FnMut(Uptime, Uptime)) {
    let started = Instant::now();
    let mut from = Uptime::ZERO;
    loop {
        sleep(STEP).await;
        let to = started.elapsed();
        step(from, to);
        from = to;
    }
}

fn queue_due(context: &Context, is_due: impl Fn(&str) -> bool) {
    for object in context.index.lock().select(&is_due) {
        context.queues.add_object(object);
    }
    let is_due = |uid: Option<String>| uid.is_some_and(|uid| is_due(&uid));
    for store in context.caches.cluster_stores.state().iter().filter(|store| is_due(store.uid())) {
        context.queues.add_store(StoreKey::cluster(store));
    }
    for store in context.caches.stores.state().iter().filter(|store| is_due(store.uid())) {
        context.queues.add_store(StoreKey::namespaced(store));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::time::timeout;

    use super::*;
    use crate::domain::schedule::comparison::INTERVAL;

    #[tokio::test(start_paused = true)]
    async fn each_object_is_queued_once_every_ten_hours() {
        let uids: Vec<_> = (0..1_000).map(|n| format!("uid-{n}")).collect();
        let (mut queued, mut most) = (HashMap::<&str, u32>::new(), 0);
        let steps = each_step(|from, to| {
            let due: Vec<_> = uids.iter().filter(|uid| is_due(uid, from, to)).collect();
            most = most.max(due.len());
            for uid in due {
                *queued.entry(uid).or_default() += 1;
            }
        });
        let _ = timeout(INTERVAL * 3 + STEP / 2, steps).await;
        assert_eq!(queued.len(), uids.len());
        assert!(queued.values().all(|count| *count == 3), "{queued:?}");
        assert!(most < 12, "{most} in one minute");
    }
}
