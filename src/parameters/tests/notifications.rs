//! Who is notified of which change.

use std::time::Duration;

use tokio::time::sleep;

use crate::parameters::{
    Snapshot,
    read_error::ReadError,
    testing::{Harness, labelled, needed, parameter_ref},
};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: u64 = 60;

/// Two objects share one name and have another name each.
async fn two_objects() -> Harness {
    let mut harness = Harness::new(10).await;
    for name in ["/a", "/b", "/shared"] {
        harness.store.write(name);
    }
    harness.watch("a", &[parameter_ref("/a"), parameter_ref("/shared")], INTERVAL, true);
    harness.watch("b", &[parameter_ref("/b"), parameter_ref("/shared")], INTERVAL, true);
    sleep(SECOND).await;
    harness.notified();
    harness
}

/// Two sweeps.
async fn sweeps() {
    sleep(2 * Duration::from_secs(INTERVAL) + SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_change_nobody_is_notified() {
    let mut harness = two_objects().await;
    sleep(3_600 * SECOND).await;
    assert!(harness.notified().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_notified_once_to_its_subscribers() {
    let mut harness = two_objects().await;
    harness.store.write("/a");
    sweeps().await;
    assert_eq!(harness.notified(), ["a"]);
    harness.store.write("/shared");
    sweeps().await;
    assert_eq!(harness.notified(), ["a", "b"]);
    sweeps().await;
    assert!(harness.notified().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_is_notified_within_one_interval() {
    let mut harness = two_objects().await;
    sweeps().await;
    for _ in 0..5 {
        harness.store.write("/b");
        sleep(Duration::from_secs(INTERVAL) + SECOND / 10).await;
        assert_eq!(harness.notified(), ["b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn deletion_denial_and_recovery_are_notified() {
    let mut harness = two_objects().await;
    harness.store.delete("/a");
    sweeps().await;
    assert_eq!(harness.notified(), ["a"]);
    let name = parameter_ref("/a");
    let Snapshot::Complete { errors, accesses, .. } = harness.reader.snapshot(&needed([&name])) else {
        unreachable!("seen")
    };
    assert!(matches!(errors[&name], ReadError::NotFound));
    assert_eq!(accesses.len(), 1);
    harness.store.write("/a");
    sweeps().await;
    assert_eq!(harness.notified(), ["a"]);
    harness.store.state().denied.insert("/b".into());
    sweeps().await;
    assert_eq!(harness.notified(), ["b"], "other names of its call are not affected");
    harness.store.state().denied.clear();
    sweeps().await;
    assert_eq!(harness.notified(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_recreated_parameter_counts_as_changed_even_with_the_same_version() {
    let mut harness = two_objects().await;
    harness.store.delete("/a");
    harness.store.write("/a");
    sweeps().await;
    assert_eq!(harness.notified(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_moved_label_is_notified() {
    let mut harness = two_objects().await;
    harness.store.label("/a", "prod");
    harness.watch("label", &[labelled("/a", "prod")], INTERVAL, true);
    sleep(SECOND).await;
    assert_eq!(harness.notified(), ["label"], "seen for the first time");
    harness.store.write("/a");
    sweeps().await;
    assert_eq!(harness.notified(), ["a"], "the label stayed");
    harness.store.label("/a", "prod");
    sweeps().await;
    assert_eq!(harness.notified(), ["label"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_outage_is_noticed_before_the_next_sweep() {
    let mut harness = Harness::new(10).await;
    harness.store.write("/a");
    harness.watch("a", &[parameter_ref("/a")], 3_600, true);
    harness.store.state().outage = true;
    sleep(20 * SECOND).await;
    assert_eq!(harness.notified(), ["a"], "once for the whole outage");
    harness.store.state().outage = false;
    sleep(60 * SECOND).await;
    assert_eq!(harness.notified(), ["a"]);
    let name = parameter_ref("/a");
    let Snapshot::Complete { versions, .. } = harness.reader.snapshot(&needed([&name])) else { unreachable!("seen") };
    assert_eq!(versions[&name].as_ref().map(|found| found.version), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_denied_name_costs_one_more_call_in_each_interval() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.store.state().denied.insert("/0003".into());
    harness.watch("object", &names, INTERVAL, true);
    sweeps().await;
    harness.store.calls();
    sleep(10 * Duration::from_secs(INTERVAL)).await;
    assert_eq!(harness.store.calls().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn an_older_version_is_no_news_and_is_checked_again_soon() {
    let mut harness = two_objects().await;
    harness.store.write("/a");
    sweeps().await;
    assert_eq!(harness.notified(), ["a"]);
    harness.store.state().stale.insert("/a".into(), 1);
    sweeps().await;
    assert!(harness.notified().is_empty(), "an answer of a replica that is behind");
    let names = [parameter_ref("/a")];
    let Snapshot::Complete { versions, .. } = harness.reader.snapshot(&needed(&names)) else {
        unreachable!("it was seen")
    };
    assert_eq!(versions[&names[0]].as_ref().map(|metadata| metadata.version), Some(2));
    harness.store.state().stale.clear();
    sweeps().await;
    harness.store.state().stale.insert("/a".into(), 1);
    harness.store.calls();
    let asks_for_it =
        |harness: &Harness| harness.store.calls().iter().any(|call| call.names.contains(&"/a".to_owned()));
    while !asks_for_it(&harness) {
        sleep(SECOND / 2).await;
    }
    sleep(3 * SECOND).await;
    assert!(asks_for_it(&harness), "checked again long before the next sweep");
}
