//! Unchanged values are decrypted again from time to time, and objects that lost access are notified.

use std::time::Duration;

use tokio::time::sleep;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::{
    ReadMode, Snapshot, WatchOptions,
    testing::{Harness, needed, parameter_ref, subscriber},
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// No version checks, but decrypted again once a day.
const OPTIONS: WatchOptions = WatchOptions { interval: None, revalidate: Some(DAY), mode: ReadMode::Decrypt };

#[tokio::test(start_paused = true)]
async fn every_value_is_decrypted_once_in_each_interval_in_full_calls() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(100);
    harness.watch_with("object", &names, OPTIONS, false);
    harness.read("shop", &names).await.expect("the read ends");
    harness.store.calls();
    sleep(DAY * 85 / 100).await;
    assert!(harness.store.calls().is_empty(), "not before its time");
    sleep(DAY * 20 / 100).await;
    let calls = harness.store.calls();
    assert!(calls.iter().all(|call| call.decrypt));
    let asked: Vec<_> = calls.iter().flat_map(|call| &call.names).collect();
    assert_eq!(asked.len(), 100, "each once");
    assert!(calls.len() <= 20, "{} calls", calls.len());
    assert_eq!(harness.store.values_alive(), 0);
}

/// Nobody knows when the values were decrypted last, so they are spread over the interval.
#[tokio::test(start_paused = true)]
async fn after_a_restart_revalidations_are_spread() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(200);
    harness.watch_with("object", &names, OPTIONS, false);
    for quarter in 0..4 {
        sleep(DAY / 4).await;
        let asked = harness.store.calls().iter().map(|call| call.names.len()).sum::<usize>();
        assert!((20..=80).contains(&asked), "{asked} in quarter {quarter}");
    }
}

#[tokio::test(start_paused = true)]
async fn objects_that_lost_access_are_notified() {
    let mut harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.watch_with("object", &names, OPTIONS, false);
    harness.watch_with("other", &names[..3], OPTIONS, false);
    harness.read("shop", &names).await.expect("the read ends");
    harness.notified();
    harness.store.state().bad_keys.insert("/0007".into());
    sleep(DAY + HOUR).await;
    assert_eq!(harness.notified(), ["object"], "only objects with that parameter");
    let Snapshot::Complete { errors, .. } = harness.reader.snapshot(&needed(&names)) else {
        unreachable!("all were read")
    };
    assert_eq!(errors.keys().map(ParameterRef::name).collect::<Vec<_>>(), ["/0007"]);
}

#[tokio::test(start_paused = true)]
async fn a_short_interval_ends_with_its_object() {
    let harness = Harness::new(10).await;
    harness.store.write("/a");
    harness.watch_with("object", &[parameter_ref("/a")], OPTIONS, false);
    let often = WatchOptions { revalidate: Some(Duration::from_secs(10)), ..OPTIONS };
    harness.watch_with("frequent", &[parameter_ref("/a")], often, false);
    sleep(HOUR).await;
    assert!(harness.store.calls().len() > 300);
    harness.reader.forget(&subscriber("frequent"));
    sleep(HOUR).await;
    assert!(harness.store.calls().len() <= 1, "the planned one, and then one a day");
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_count_as_loss_of_access() {
    let mut harness = Harness::new(10).await;
    harness.store.write("/a");
    harness.watch_with("object", &[parameter_ref("/a")], OPTIONS, false);
    harness.read("shop", &[parameter_ref("/a")]).await.expect("the read ends");
    harness.notified();
    harness.store.state().outage = true;
    sleep(2 * DAY).await;
    assert_eq!(harness.notified(), Vec::<String>::new());
}
