//! How many calls watching takes.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    domain::schedule::decide::Purpose,
    parameters::{
        ReadMode, Snapshot,
        testing::{Harness, LoggedCall, needed, object, parameter_ref, subscriber, version},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the most calls within any second.
fn busiest_second(calls: &[LoggedCall]) -> usize {
    let within = |first: &LoggedCall| calls.iter().filter(|c| c.at >= first.at && c.at < first.at + SECOND).count();
    calls.iter().map(within).max().unwrap_or_default()
}

/// Returns the longest time between two checks of one name.
fn longest_gap(calls: &[LoggedCall]) -> Duration {
    let mut last = BTreeMap::new();
    let checks = calls.iter().flat_map(|call| call.names.iter().map(move |name| (name, call.at)));
    checks.filter_map(|(name, at)| last.insert(name, at).map(|before: Instant| at - before)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn ten_names_cost_one_call_and_calls_are_spread_evenly() {
    const INTERVAL: u32 = 60;
    for count in [1, 10, 11, 95, 1_000] {
        let harness = Harness::new(10).await;
        harness.store.state().latency = SECOND / 50;
        let names = harness.store.write_many(count);
        for (number, name) in names.iter().enumerate() {
            harness.watch(&number.to_string(), std::slice::from_ref(name), INTERVAL.into(), false);
        }
        let needed_calls = count.div_ceil(10);
        // Counts from between two calls, so that none falls on the edge.
        while harness.store.calls().is_empty() {
            sleep(SECOND / 100).await;
        }
        let period = (SECOND * INTERVAL) / u32::try_from(needed_calls).expect("few");
        sleep(SECOND * INTERVAL + period / 2).await;
        harness.store.calls();
        sleep(3 * SECOND * INTERVAL).await;
        let calls = harness.store.calls();
        assert_eq!(calls.len(), 3 * needed_calls, "{count} names");
        assert!(calls.iter().all(|call| !call.decrypt));
        let share = 3 * needed_calls / (2 * INTERVAL as usize);
        assert!(busiest_second(&calls) <= share.max(1), "{count} names: {}", busiest_second(&calls));
        assert!(longest_gap(&calls) <= SECOND * INTERVAL + SECOND / 10, "{:?}", longest_gap(&calls));
    }
}

#[tokio::test(start_paused = true)]
async fn slow_responses_do_not_delay_sweeps() {
    let harness = Harness::new(100).await;
    let names = harness.store.write_many(1_000);
    harness.watch("object", &names, 10, false);
    sleep(30 * SECOND).await;
    // Ten times the time between two sweeps.
    harness.store.state().latency = SECOND;
    sleep(10 * SECOND).await;
    harness.store.calls();
    sleep(60 * SECOND).await;
    let calls = harness.store.calls();
    assert!((600..=601).contains(&calls.len()), "{}", calls.len());
    assert!(longest_gap(&calls) <= 12 * SECOND, "{:?}", longest_gap(&calls));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_checked_at_its_shortest_interval() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(1);
    harness.watch("slow", &names, 600, false);
    harness.watch("fast", &names, 60, false);
    sleep(61 * SECOND).await;
    harness.store.calls();
    sleep(600 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 10);
    harness.reader.forget(&subscriber("fast"));
    sleep(600 * SECOND).await;
    harness.store.calls();
    sleep(1_200 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_objects_on_the_same_names_cost_as_much_as_one() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    for number in 0..100 {
        harness.watch(&number.to_string(), &names, 60, true);
    }
    sleep(SECOND).await;
    assert_eq!(harness.store.calls().len(), 1);
    sleep(90 * SECOND).await;
    harness.store.calls();
    sleep(600 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn fixed_versions_are_checked_hourly() {
    let harness = Harness::new(10).await;
    harness.store.write("/a");
    harness.watch("object", &[version("/a", 1)], 60, true);
    sleep(SECOND).await;
    assert_eq!(harness.store.calls().len(), 1);
    sleep(3_600 * SECOND).await;
    harness.store.calls();
    sleep(10 * 3_600 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_no_longer_checked_after_its_last_object_left() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(20);
    harness.watch("a", &names, 60, false);
    harness.watch("b", &names[..10], 60, false);
    assert_eq!(harness.reader.load().0, 20);
    harness.reader.forget(&subscriber("a"));
    assert_eq!(harness.reader.load().0, 10);
    sleep(120 * SECOND).await;
    harness.watch("b", &names[..5], 60, false);
    assert_eq!(harness.reader.load().0, 5);
    harness.store.calls();
    sleep(120 * SECOND).await;
    assert!(harness.store.calls().iter().all(|call| call.names.len() == 5));
    harness.reader.forget(&subscriber("b"));
    assert_eq!(harness.reader.load().0, 0);
    sleep(120 * SECOND).await;
    assert!(harness.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn checks_that_nobody_needs_any_more_are_not_made() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(1_000);
    harness.watch("object", &names, 600, true);
    sleep(SECOND).await;
    harness.reader.forget(&subscriber("object"));
    let calls = harness.store.calls().len();
    sleep(600 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 0, "after {calls}");
    harness.watch("object", &names[..10], 600, true);
    sleep(SECOND).await;
    assert_eq!(harness.store.calls().len(), 1, "and are made again for a new subscriber");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reader_makes_no_more_calls() {
    let mut harness = Harness::new(10).await;
    let names = harness.store.write_many(100);
    harness.watch("object", &names, 60, true);
    harness.store.state().outage = true;
    sleep(5 * SECOND).await;
    assert!(!harness.store.calls().is_empty());
    harness.restart().await;
    sleep(600 * SECOND).await;
    assert!(harness.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_read_makes_the_first_check_unnecessary() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.watch("object", &names, 60, false);
    harness.read("shop", &names).await.expect("the read ends");
    harness.watch("object", &names, 60, true);
    let Snapshot::Complete { versions, .. } = harness.reader.snapshot(&needed(&names)) else {
        unreachable!("the read observed them")
    };
    assert_eq!(versions.len(), 10);
    sleep(29 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 1);
    sleep(32 * SECOND).await;
    let calls = harness.store.calls();
    assert_eq!((calls.len(), calls[0].decrypt), (1, false), "the next sweep");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_everything_is_checked_within_the_rate_limit_and_reads_go_first() {
    let harness = Harness::new(10).await;
    harness.store.write("/new");
    let names = harness.store.write_many(10_000);
    let start = Instant::now();
    for (number, names) in names.chunks(10).enumerate() {
        harness.watch(&number.to_string(), names, 360_000, true);
    }
    for second in [20, 50, 80] {
        sleep(start + second * SECOND - Instant::now()).await;
        let asked = Instant::now();
        let read = timeout(SECOND / 20, harness.read("new", &[parameter_ref("/new")])).await;
        assert!(read.is_ok(), "a read at {second} s waits for more than its batch window; {:?}", asked.elapsed());
    }
    sleep(start + 102 * SECOND - Instant::now()).await;
    assert!(matches!(harness.reader.snapshot(&needed(&names)), Snapshot::Complete { .. }));
    let calls = harness.store.calls();
    let checks: Vec<_> = calls.iter().filter(|call| !call.decrypt).map(|call| call.at - start).collect();
    assert_eq!(checks.len(), 1_000);
    assert!(checks.last() >= Some(&(98 * SECOND)), "{:?}", checks.last());
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_goes_before_the_restart_checks_of_another_identity_of_the_account() {
    let harness = Harness::new(10).await;
    harness.store.write("/new");
    let (names, name) = (harness.store.write_many(10_000), parameter_ref("/new"));
    harness.watch("object", &names, 360_000, true);
    let other = harness.second_reader().await;
    sleep(50 * SECOND).await;
    let reading = timeout(
        SECOND / 20,
        other.read(&needed([&name]), ReadMode::Decrypt, Purpose::FirstSync, &object("new", "object")),
    )
    .await;
    assert_eq!(reading.expect("waits for its batch window only").values.len(), 1);
}
