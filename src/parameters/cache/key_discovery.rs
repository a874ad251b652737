//! Discovers which keys encrypt the parameters, and watches the state of these keys. Each version of a parameter is
//! described once, at a time when nothing more urgent is to be done.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::domain::{audit::ObjectRef, aws_error::AwsError, parameter::name::ParameterRef, schedule::decide::Purpose};
use crate::parameters::{
    cache::{describe, key_table::key_of, shared::Shared},
    outcome::MAX_AUDITED_OBJECTS,
    port::{ParameterApi, ParameterDescription},
    quota::priority::Priority,
};

/// How long to wait for more names, and between two checks whether reads go first.
const BATCH_WINDOW: Duration = Duration::from_secs(1);
/// How long reads may go first.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// How often every key is described again.
const KEY_CHECK: Duration = Duration::from_secs(3_600);
/// Delay after a call that was denied.
const RETRY_DENIED: Duration = Duration::from_secs(3_600);
/// Delay after a call that failed because AWS is unavailable.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(60);

/// Discovers keys for as long as it is polled.
pub(crate) async fn run<A: ParameterApi>(shared: Arc<Shared<A>>) {
    let mut next_check = Instant::now() + KEY_CHECK;
    loop {
        if timeout_at(next_check, work_to_do(&shared)).await.is_err() {
            next_check = Instant::now() + KEY_CHECK;
            shared.table().keys.describe_all_again();
        }
        let names = shared.table().keys.take_undiscovered();
        let discovered = discover(&shared, &names).await;
        let mut changed = discovered.as_ref().cloned().unwrap_or_default();
        changed.extend(describe_keys(&shared).await);
        notify_subscribers(&shared, &changed);
        if let Err(error) = discovered {
            shared.table().keys.put_back(names);
            sleep(if error.kind.reason().is_outage() { RETRY_UNAVAILABLE } else { RETRY_DENIED }).await;
        }
    }
}

/// Waits until there are keys to discover, and until reads leave time for it.
async fn work_to_do<A: ParameterApi>(shared: &Shared<A>) {
    while !shared.table().keys.has_work() {
        shared.key_unknown.notified().await;
    }
    sleep(BATCH_WINDOW).await;
    let began = Instant::now();
    while shared.batcher.is_busy() && began.elapsed() < MAX_DELAY {
        sleep(BATCH_WINDOW).await;
    }
}

/// Discovers the keys of these names. Returns the names whose key is another than before.
async fn discover<A: ParameterApi>(shared: &Shared<A>, names: &[ParameterRef]) -> Result<Vec<ParameterRef>, AwsError> {
    let descriptions = describe(shared, names).await?;
    let mut table = shared.table();
    let mut changed = Vec::new();
    for name in names {
        let observed = table.observation(name).and_then(|observation| observation.result.as_ref().ok());
        let Some(version) = observed.map(|metadata| metadata.version) else { continue };
        if table.keys.record(name, version, key_of(&descriptions, name, version)) {
            changed.push(name.clone());
        }
    }
    Ok(changed)
}

/// Returns the descriptions of these names. AWS does not describe parameters of other accounts.
async fn describe<A: ParameterApi>(
    shared: &Shared<A>,
    names: &[ParameterRef],
) -> Result<Vec<ParameterDescription>, AwsError> {
    let own_name = |parameter_ref: &ParameterRef| Some(shared.scope.own_name(&parameter_ref.arn)?.to_owned());
    let own_names: BTreeSet<_> = names.iter().filter_map(own_name).collect();
    let own_names: Vec<_> = own_names.into_iter().collect();
    describe::describe(&shared.client, &own_names, Priority::Sweep, &objects(shared, names)).await
}

/// Has KMS describe the keys that are new or due. Returns the names whose key is in another state than before.
async fn describe_keys<A: ParameterApi>(shared: &Shared<A>) -> Vec<ParameterRef> {
    let keys = shared.table().keys.take_undescribed();
    let mut changed = Vec::new();
    for key in keys {
        let names: Vec<_> = shared.table().keys.encrypted_by(&key).cloned().collect();
        let state = shared.client.key_state(&key, "", &objects(shared, &names)).await;
        // Compared with what was reported rather than with what is known: a failed read may have described the key before.
        if shared.table().keys.set_reported(&key, state.as_ref()) {
            changed.extend(names);
        }
    }
    changed
}

fn objects<A>(shared: &Shared<A>, names: &[ParameterRef]) -> Vec<ObjectRef> {
    let table = shared.table();
    let subscribers = names.iter().flat_map(|name| table.subscribers(name));
    let subscribers: BTreeSet<_> = subscribers.take(MAX_AUDITED_OBJECTS).collect();
    let objects = subscribers.into_iter().filter_map(|subscriber| table.object(subscriber));
    objects.map(|object| object.with_purpose(Purpose::KeyState)).collect()
}

fn notify_subscribers<A>(shared: &Shared<A>, names: &[ParameterRef]) {
    let subscribers: BTreeSet<_> = {
        let table = shared.table();
        names.iter().flat_map(|name| table.subscribers(name)).cloned().collect()
    };
    shared.notify(subscribers);
}
