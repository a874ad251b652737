//! What watching costs.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    domain::schedule::decide::Purpose,
    parameters::{
        Known, Mode,
        testing::{Bench, Logged, needed, object, parameter_ref, subscriber, version},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// Most calls within any second.
fn busiest_second(calls: &[Logged]) -> usize {
    let within = |first: &Logged| calls.iter().filter(|c| c.at >= first.at && c.at < first.at + SECOND).count();
    calls.iter().map(within).max().unwrap_or_default()
}

/// The longest time between two looks at one name.
fn longest_gap(calls: &[Logged]) -> Duration {
    let mut last = BTreeMap::new();
    let looks = calls.iter().flat_map(|call| call.names.iter().map(move |name| (name, call.at)));
    looks.filter_map(|(name, at)| last.insert(name, at).map(|before: Instant| at - before)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn names_cost_a_tenth_of_calls_spread_evenly() {
    const INTERVAL: u32 = 60;
    for count in [1, 10, 11, 95, 1_000] {
        let bench = Bench::new(10).await;
        bench.store.state().latency = SECOND / 50;
        let names = bench.store.write_many(count);
        for (number, name) in names.iter().enumerate() {
            bench.watch(&number.to_string(), std::slice::from_ref(name), INTERVAL.into(), false);
        }
        let needed_calls = count.div_ceil(10);
        // Between two calls, so that none falls on the edge of what is counted.
        while bench.store.calls().is_empty() {
            sleep(SECOND / 100).await;
        }
        let period = (SECOND * INTERVAL) / u32::try_from(needed_calls).expect("few");
        sleep(SECOND * INTERVAL + period / 2).await;
        bench.store.calls();
        sleep(3 * SECOND * INTERVAL).await;
        let calls = bench.store.calls();
        assert_eq!(calls.len(), 3 * needed_calls, "{count} names");
        assert!(calls.iter().all(|call| !call.decrypt));
        let share = 3 * needed_calls / (2 * INTERVAL as usize);
        assert!(busiest_second(&calls) <= share.max(1), "{count} names: {}", busiest_second(&calls));
        assert!(longest_gap(&calls) <= SECOND * INTERVAL + SECOND / 10, "{:?}", longest_gap(&calls));
    }
}

#[tokio::test(start_paused = true)]
async fn slow_answers_do_not_make_sweeps_late() {
    let bench = Bench::new(100).await;
    let names = bench.store.write_many(1_000);
    bench.watch("object", &names, 10, false);
    sleep(30 * SECOND).await;
    // Ten times the time between two sweeps.
    bench.store.state().latency = SECOND;
    sleep(10 * SECOND).await;
    bench.store.calls();
    sleep(60 * SECOND).await;
    let calls = bench.store.calls();
    assert!((600..=601).contains(&calls.len()), "{}", calls.len());
    assert!(longest_gap(&calls) <= 12 * SECOND, "{:?}", longest_gap(&calls));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_at_the_shortest_interval() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(1);
    bench.watch("slow", &names, 600, false);
    bench.watch("fast", &names, 60, false);
    sleep(61 * SECOND).await;
    bench.store.calls();
    sleep(600 * SECOND).await;
    assert_eq!(bench.store.calls().len(), 10);
    bench.reader.forget(&subscriber("fast"));
    sleep(600 * SECOND).await;
    bench.store.calls();
    sleep(1_200 * SECOND).await;
    assert_eq!(bench.store.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_objects_on_the_same_names_cost_as_much_as_one() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    for number in 0..100 {
        bench.watch(&number.to_string(), &names, 60, true);
    }
    sleep(SECOND).await;
    assert_eq!(bench.store.calls().len(), 1);
    sleep(90 * SECOND).await;
    bench.store.calls();
    sleep(600 * SECOND).await;
    assert_eq!(bench.store.calls().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn fixed_versions_are_looked_at_hourly() {
    let bench = Bench::new(10).await;
    bench.store.write("/a");
    bench.watch("object", &[version("/a", 1)], 60, true);
    sleep(SECOND).await;
    assert_eq!(bench.store.calls().len(), 1);
    sleep(3_600 * SECOND).await;
    bench.store.calls();
    sleep(10 * 3_600 * SECOND).await;
    assert_eq!(bench.store.calls().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn names_leave_with_the_last_object() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(20);
    bench.watch("a", &names, 60, false);
    bench.watch("b", &names[..10], 60, false);
    assert_eq!(bench.reader.load().0, 20);
    bench.reader.forget(&subscriber("a"));
    assert_eq!(bench.reader.load().0, 10);
    sleep(120 * SECOND).await;
    bench.watch("b", &names[..5], 60, false);
    assert_eq!(bench.reader.load().0, 5);
    bench.store.calls();
    sleep(120 * SECOND).await;
    assert!(bench.store.calls().iter().all(|call| call.names.len() == 5));
    bench.reader.forget(&subscriber("b"));
    assert_eq!(bench.reader.load().0, 0);
    sleep(120 * SECOND).await;
    assert!(bench.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn looks_that_nobody_wants_any_more_are_not_made() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(1_000);
    bench.watch("object", &names, 600, true);
    sleep(SECOND).await;
    bench.reader.forget(&subscriber("object"));
    let calls = bench.store.calls().len();
    sleep(600 * SECOND).await;
    assert_eq!(bench.store.calls().len(), 0, "after {calls}");
    bench.watch("object", &names[..10], 600, true);
    sleep(SECOND).await;
    assert_eq!(bench.store.calls().len(), 1, "and are made again when parameter_ref again");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_dropped_asks_no_more() {
    let mut bench = Bench::new(10).await;
    let names = bench.store.write_many(100);
    bench.watch("object", &names, 60, true);
    bench.store.state().outage = true;
    sleep(5 * SECOND).await;
    assert!(!bench.store.calls().is_empty());
    bench.restart().await;
    sleep(600 * SECOND).await;
    assert!(bench.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_read_spares_the_first_look() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    bench.watch("object", &names, 60, false);
    bench.read("shop", &names).await.expect("a reading");
    bench.watch("object", &names, 60, true);
    let Known::Seen { versions, .. } = bench.reader.known(&needed(&names)) else { unreachable!("seen by the read") };
    assert_eq!(versions.len(), 10);
    sleep(29 * SECOND).await;
    assert_eq!(bench.store.calls().len(), 1);
    sleep(32 * SECOND).await;
    let calls = bench.store.calls();
    assert_eq!((calls.len(), calls[0].decrypt), (1, false), "the next sweep");
}

#[tokio::test(start_paused = true)]
async fn a_restart_looks_at_everything_within_the_budget_and_lets_others_pass() {
    let bench = Bench::new(10).await;
    bench.store.write("/new");
    let names = bench.store.write_many(10_000);
    let start = Instant::now();
    for (number, names) in names.chunks(10).enumerate() {
        bench.watch(&number.to_string(), names, 360_000, true);
    }
    for second in [20, 50, 80] {
        sleep(start + second * SECOND - Instant::now()).await;
        let asked = Instant::now();
        let read = timeout(SECOND / 2, bench.read("new", &[parameter_ref("/new")])).await;
        assert!(read.is_ok(), "a read at {second} s waits for more than a few calls; {:?}", asked.elapsed());
    }
    sleep(start + 102 * SECOND - Instant::now()).await;
    assert!(matches!(bench.reader.known(&needed(&names)), Known::Seen { .. }));
    let calls = bench.store.calls();
    let looks: Vec<_> = calls.iter().filter(|call| !call.decrypt).map(|call| call.at - start).collect();
    assert_eq!(looks.len(), 1_000);
    assert!(looks.last() >= Some(&(98 * SECOND)), "{:?}", looks.last());
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_passes_the_restart_of_another_identity_of_the_account() {
    let bench = Bench::new(10).await;
    bench.store.write("/new");
    let (names, name) = (bench.store.write_many(10_000), parameter_ref("/new"));
    bench.watch("object", &names, 360_000, true);
    let other = bench.other().await;
    sleep(50 * SECOND).await;
    let reading =
        timeout(SECOND / 2, other.read(&needed([&name]), Mode::Decrypt, Purpose::FirstSync, &object("new", "object")))
            .await;
    assert_eq!(reading.expect("waits for a few calls").values.len(), 1);
}
