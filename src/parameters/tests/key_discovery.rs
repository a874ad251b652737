//! Keys are discovered once for each version, and subscribers are notified when the state of a key changes.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    domain::parameter::key::ParameterKey,
    parameters::{
        Snapshot,
        testing::{Harness, KEY, needed, parameter_ref},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

async fn discovering() -> Harness {
    let harness = Harness::new(10).await;
    harness.store.state().may_not_describe = false;
    harness
}

fn key(harness: &Harness, name: &str) -> Option<ParameterKey> {
    let name = parameter_ref(name);
    let Snapshot::Complete { versions, .. } = harness.reader.snapshot(&needed([&name])) else { return None };
    harness.reader.keys(&versions).remove(&name)
}

#[tokio::test(start_paused = true)]
async fn a_key_is_discovered_once_for_each_version() {
    let mut harness = discovering().await;
    let names = harness.store.write_many(60);
    harness.watch("object", &names, 60, true);
    sleep(30 * SECOND).await;
    let sizes: Vec<_> = harness.store.state().descriptions.iter().map(Vec::len).collect();
    assert_eq!(sizes, [50, 10], "fifty to a call");
    assert_eq!(harness.store.state().described, 1, "one key, described once");
    let known = key(&harness, "/0059").expect("a key");
    assert_eq!((known.arn.as_deref(), known.manager.as_deref()), (Some(KEY), Some("CUSTOMER")));
    assert!(harness.notified().contains(&"object".to_owned()), "its status shows the keys");
    sleep(HOUR / 2).await;
    assert_eq!(harness.store.state().descriptions.len(), 2, "not again while nothing changes");
    harness.store.write("/0007");
    sleep(2 * 60 * SECOND).await;
    assert_eq!(harness.store.state().descriptions.split_off(2), [["/0007"]], "a new version may have another key");
}

#[tokio::test(start_paused = true)]
async fn denied_discovery_is_retried_after_an_hour() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(60);
    harness.watch("object", &names, 60, true);
    sleep(59 * HOUR / 60).await;
    assert_eq!(harness.store.state().descriptions.len(), 1);
    assert_eq!(key(&harness, "/0000"), None, "unknown, and nothing is guessed");
    harness.store.state().may_not_describe = false;
    sleep(2 * 60 * SECOND).await;
    assert!(key(&harness, "/0059").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_changed_key_state_is_notified_within_an_hour() {
    let mut harness = discovering().await;
    harness.store.write("/a");
    harness.watch("object", &[parameter_ref("/a")], 60, true);
    sleep(10 * SECOND).await;
    harness.notified();
    harness.store.state().described_as = Some("PendingDeletion");
    sleep(HOUR).await;
    assert_eq!(harness.notified(), ["object"]);
    let warning = key(&harness, "/a").and_then(|key| key.state?.warning("/a")).expect("a warning");
    assert!(warning.contains(KEY) && warning.contains("PendingDeletion"), "{warning}");
    sleep(3 * HOUR).await;
    assert_eq!(harness.notified(), Vec::<String>::new(), "once");
    assert_eq!(harness.store.state().described, 5, "once an hour");
}

/// A failed read describes the key first. Objects that have not read yet are still notified of its state.
#[tokio::test(start_paused = true)]
async fn a_failed_read_does_not_hide_a_key_state_from_other_objects() {
    let mut harness = discovering().await;
    harness.store.write("/a");
    harness.store.write("/b");
    harness.watch("one", &[parameter_ref("/a")], 60, true);
    harness.watch("other", &[parameter_ref("/b")], 60, true);
    sleep(10 * SECOND).await;
    harness.notified();
    harness.store.state().described_as = Some("Disabled");
    harness.store.state().bad_keys.insert("/a".into());
    let failed = harness.read("shop", &[parameter_ref("/a")]).await.expect("the read ends");
    assert_eq!(failed.errors.len(), 1);
    sleep(HOUR).await;
    assert!(harness.notified().contains(&"other".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_remembered_key_is_not_discovered_again() {
    let harness = discovering().await;
    harness.store.write("/a");
    let name = parameter_ref("/a");
    harness.watch("object", std::slice::from_ref(&name), 60, true);
    harness.reader.remember_key(&name, 1, KEY);
    sleep(60 * SECOND).await;
    assert!(harness.store.state().descriptions.is_empty());
    assert_eq!(key(&harness, "/a").and_then(|key| key.arn).as_deref(), Some(KEY));
    assert_eq!(harness.store.state().described, 1, "but its state is described");
}
