//! Who is told of what.

use std::time::Duration;

use tokio::time::sleep;

use crate::parameters::{
    Known, ReadError,
    testing::{Bench, labelled, needed, parameter_ref},
};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: u64 = 60;

/// Two objects share one name and have one each.
async fn two_objects() -> Bench {
    let mut bench = Bench::new(10).await;
    for name in ["/a", "/b", "/shared"] {
        bench.store.write(name);
    }
    bench.watch("a", &[parameter_ref("/a"), parameter_ref("/shared")], INTERVAL, true);
    bench.watch("b", &[parameter_ref("/b"), parameter_ref("/shared")], INTERVAL, true);
    sleep(SECOND).await;
    bench.told();
    bench
}

/// Two sweeps.
async fn sweeps() {
    sleep(2 * Duration::from_secs(INTERVAL) + SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_told_to_nobody() {
    let mut bench = two_objects().await;
    sleep(3_600 * SECOND).await;
    assert!(bench.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_told_to_those_who_want_it_once() {
    let mut bench = two_objects().await;
    bench.store.write("/a");
    sweeps().await;
    assert_eq!(bench.told(), ["a"]);
    bench.store.write("/shared");
    sweeps().await;
    assert_eq!(bench.told(), ["a", "b"]);
    sweeps().await;
    assert!(bench.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_within_one_interval() {
    let mut bench = two_objects().await;
    sweeps().await;
    for _ in 0..5 {
        bench.store.write("/b");
        sleep(Duration::from_secs(INTERVAL) + SECOND / 10).await;
        assert_eq!(bench.told(), ["b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_vanish_are_denied_and_recover_are_told() {
    let mut bench = two_objects().await;
    bench.store.delete("/a");
    sweeps().await;
    assert_eq!(bench.told(), ["a"]);
    let name = parameter_ref("/a");
    let Known::Seen { errors, accesses, .. } = bench.reader.known(&needed([&name])) else { unreachable!("seen") };
    assert!(matches!(errors[&name], ReadError::NotFound));
    assert_eq!(accesses.len(), 1);
    bench.store.write("/a");
    sweeps().await;
    assert_eq!(bench.told(), ["a"]);
    bench.store.state().denied.insert("/b".into());
    sweeps().await;
    assert_eq!(bench.told(), ["b"], "its neighbours do not notice");
    bench.store.state().denied.clear();
    sweeps().await;
    assert_eq!(bench.told(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_written_anew_is_another_even_with_the_same_version() {
    let mut bench = two_objects().await;
    bench.store.delete("/a");
    bench.store.write("/a");
    sweeps().await;
    assert_eq!(bench.told(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_moved_label_is_told() {
    let mut bench = two_objects().await;
    bench.store.label("/a", "prod");
    bench.watch("label", &[labelled("/a", "prod")], INTERVAL, true);
    sleep(SECOND).await;
    assert_eq!(bench.told(), ["label"], "seen for the first time");
    bench.store.write("/a");
    sweeps().await;
    assert_eq!(bench.told(), ["a"], "the label stayed");
    bench.store.label("/a", "prod");
    sweeps().await;
    assert_eq!(bench.told(), ["label"]);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_it_is_looked_again_soon() {
    let mut bench = Bench::new(10).await;
    bench.store.write("/a");
    bench.watch("a", &[parameter_ref("/a")], 3_600, true);
    bench.store.state().outage = true;
    sleep(20 * SECOND).await;
    assert_eq!(bench.told(), ["a"], "once for the whole outage");
    bench.store.state().outage = false;
    sleep(60 * SECOND).await;
    assert_eq!(bench.told(), ["a"]);
    let name = parameter_ref("/a");
    let Known::Seen { versions, .. } = bench.reader.known(&needed([&name])) else { unreachable!("seen") };
    assert_eq!(versions[&name].as_ref().map(|found| found.version), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_denied_name_costs_one_more_call_an_interval() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    bench.store.state().denied.insert("/0003".into());
    bench.watch("object", &names, INTERVAL, true);
    sweeps().await;
    bench.store.calls();
    sleep(10 * Duration::from_secs(INTERVAL)).await;
    assert_eq!(bench.store.calls().len(), 20);
}
