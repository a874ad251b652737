//! The polling task: starts every version check, revalidation and listing when it is due.

use std::sync::Arc;

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::parameters::{
    cache::{
        list_path::list_path,
        shared::Shared,
        version_check::{check_version, revalidate},
    },
    port::ParameterApi,
};

/// Polls for as long as it is polled itself. What it has started stops with it.
pub(crate) async fn run<A: ParameterApi>(shared: Arc<Shared<A>>) {
    let mut polls = JoinSet::new();
    loop {
        while polls.try_join_next().is_some() {}
        let next = start_due(&shared, &mut polls);
        let changed = shared.schedule_changed.notified();
        match next {
            Some(next) => tokio::select! {
                () = sleep_until(next) => {}
                () = changed => {}
            },
            None => changed.await,
        }
    }
}

/// Starts what is due. Returns when something will be due next.
fn start_due<A: ParameterApi>(shared: &Arc<Shared<A>>, polls: &mut JoinSet<()>) -> Option<Instant> {
    let now = Instant::now();
    let (due, next_check) = shared.table().take_due_checks(now);
    for name in due {
        let task = polls.spawn(check_version(Arc::clone(shared), name.clone()));
        shared.table().checks.set_task(&name, task);
    }
    let (due, next_revalidation) = shared.table().take_due_revalidations(now);
    for (name, mode) in due {
        polls.spawn(revalidate(Arc::clone(shared), name, mode));
    }
    let (due, next_listing) = shared.table().listings.take_due(now);
    for due in due {
        let query = due.query.clone();
        let task = polls.spawn(list_path(Arc::clone(shared), due));
        shared.table().listings.set_task(&query, task);
    }
    [next_check, next_revalidation, next_listing].into_iter().flatten().min()
}
