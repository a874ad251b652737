//! How reads are combined into calls, without failures.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, advance, sleep};

use crate::{
    domain::schedule::decide::Purpose,
    parameters::{
        ReadMode, Snapshot,
        read_error::ReadError,
        testing::{Harness, labelled, needed, object, optional, parameter_ref, version},
    },
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_call_waits_25_ms_for_more_names() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(9);
    let start = Instant::now();
    let mut reads = Vec::new();
    for name in &names {
        reads.push(harness.read(name.name(), std::slice::from_ref(name)));
        sleep(2 * MILLISECOND).await;
    }
    for read in reads {
        assert_eq!(read.await.expect("the read ends").values.len(), 1);
    }
    let calls = harness.store.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].names.len(), 9);
    assert!((25..27).contains(&(calls[0].at - start).as_millis()), "{:?}", calls[0].at - start);
}

/// At a cold start the API server takes about 140 objects a second, which is less than four within 25 ms.
#[tokio::test(start_paused = true)]
async fn calls_of_a_burst_are_full() {
    for every in [2, 7, 20] {
        let harness = Harness::new(1_000).await;
        harness.store.state().latency = 20 * MILLISECOND;
        let names = harness.store.write_many(1_000);
        let mut reads = Vec::new();
        for (number, name) in names.iter().enumerate() {
            reads.push(harness.read(&format!("namespace-{}", number % 7), std::slice::from_ref(name)));
            sleep(every * MILLISECOND).await;
        }
        for read in reads {
            assert_eq!(read.await.expect("the read ends").values.len(), 1);
        }
        let calls = harness.store.calls();
        let sizes: Vec<_> = calls.iter().map(|call| call.names.len()).collect();
        assert!(calls.len() <= 105, "{} calls with an object every {every} ms: {sizes:?}", calls.len());
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_burst_no_read_waits_long_and_after_it_none_does() {
    let harness = Harness::new(1_000).await;
    let names = harness.store.write_many(100);
    let read = |name| {
        let (start, read) = (Instant::now(), harness.read("shop", std::slice::from_ref(name)));
        tokio::spawn(async move { read.await.map(|reading| (reading.values.len(), start.elapsed())) })
    };
    let mut reads = Vec::new();
    for name in &names[..99] {
        reads.push(read(name));
        sleep(30 * MILLISECOND).await;
    }
    for read in reads {
        let (values, waited) = read.await.expect("no panic").expect("the read ends");
        assert!(values == 1 && waited <= 501 * MILLISECOND, "{waited:?}");
    }
    sleep(SECOND).await;
    let (_, waited) = read(&names[99]).await.expect("no panic").expect("the read ends");
    assert!(waited <= 26 * MILLISECOND, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_call_waits_for_requests_of_the_same_names() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    let start = Instant::now();
    let reads: Vec<_> = names.chunks(2).map(|names| harness.read("shop", names)).collect();
    sleep(Duration::from_millis(20)).await;
    let late = harness.read("late", &names);
    for read in reads.into_iter().chain([late]) {
        read.await.expect("the read ends");
    }
    assert_eq!((harness.store.calls().len(), start.elapsed()), (1, Duration::from_millis(25)));
}

/// A call that began after a change was observed returns the changed value, whoever it was made for.
#[tokio::test(start_paused = true)]
async fn a_read_joins_a_call_in_flight_that_began_after_the_change() {
    let harness = Harness::new(10).await;
    harness.store.write("/a");
    harness.store.state().latency = SECOND;
    let name = parameter_ref("/a");
    harness.watch("object", std::slice::from_ref(&name), 60, true);
    sleep(5 * SECOND).await;
    harness.store.calls();
    let read = |purpose: Purpose| {
        let (reader, name) = (harness.reader.clone(), name.clone());
        tokio::spawn(async move {
            reader.read(&needed([&name]), ReadMode::Decrypt, purpose, &object("shop", "object")).await
        })
    };
    let first = read(Purpose::ParameterChanged);
    sleep(SECOND / 2).await;
    let joined = read(Purpose::ParameterChanged);
    let forced = read(Purpose::ForcedSync);
    for read in [first, joined] {
        assert_eq!(read.await.expect("the read ends").values.len(), 1);
    }
    assert_eq!(forced.await.expect("the read ends").values.len(), 1);
    assert_eq!(harness.store.calls().len(), 2, "one for both reads of the change, one for the forced sync");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_several_objects_read_is_requested_once() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    let reads: Vec<_> = (0..100).map(|number| harness.read(&number.to_string(), &names)).collect();
    for read in reads {
        let reading = read.await.expect("the read ends");
        assert_eq!((reading.values.len(), reading.accesses.len()), (10, 1));
    }
    assert_eq!((harness.store.calls().len(), harness.store.audited()), (1, 2), "one of them is STS");
}

#[tokio::test(start_paused = true)]
async fn responses_are_matched_by_name_whatever_their_order() {
    let harness = Harness::new(10).await;
    let mut names = harness.store.write_many(12);
    harness.store.write("/0003");
    harness.store.label("/0003", "prod");
    names.extend([version("/0003", 1), labelled("/0003", "prod")]);
    let reading = harness.read("shop", &names).await.expect("the read ends");
    for name in &names {
        let version = if name.name() == "/0003" && name.request_name() != "/0003:1" { 2 } else { 1 };
        assert_eq!(reading.values[name].expose_secret(), format!("{}#{version}", name.name()));
    }
}

#[tokio::test(start_paused = true)]
async fn missing_parameters_and_missing_versions_are_distinguished() {
    let harness = Harness::new(10).await;
    harness.store.write("/there");
    let (good, gone) = (parameter_ref("/there"), parameter_ref("/gone"));
    let (no_version, no_label) = (version("/there", 7), labelled("/gone", "prod"));
    let names = [good.clone(), gone.clone(), no_version.clone(), no_label.clone()];
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!(reading.values.keys().collect::<Vec<_>>(), [&good]);
    assert!(matches!(reading.errors[&gone], ReadError::NotFound));
    assert!(matches!(reading.errors[&no_version], ReadError::VersionNotFound));
    assert!(matches!(reading.errors[&no_label], ReadError::NotFound));
    let calls = harness.store.calls();
    assert_eq!(calls.iter().filter(|call| call.decrypt).count(), 2, "two selections, two calls: {calls:?}");
    assert!(calls.iter().filter(|call| !call.decrypt).all(|call| call.names.iter().all(|name| !name.contains(':'))));
    assert!(reading.accesses.iter().any(|access| access.failed));
}

#[tokio::test(start_paused = true)]
async fn absent_optional_parameters_are_no_error_and_cost_no_second_call() {
    let harness = Harness::new(10).await;
    let names = [parameter_ref("/gone"), version("/gone", 7)];
    let reads = optional(&names);
    let reading = harness.reader.read(&reads, ReadMode::Decrypt, Purpose::FirstSync, &object("shop", "object")).await;
    assert!(reading.errors.is_empty());
    assert!(names.iter().all(|name| reading.versions[name].is_none()));
    assert!(harness.store.calls().iter().all(|call| call.decrypt));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_read_costs_no_call() {
    let harness = Harness::new(1).await;
    let names = harness.store.write_many(100);
    let read = harness.read("shop", &names[..10]);
    read.await.expect("the read ends");
    let cancelled = harness.read("shop", &names[10..90]);
    sleep(10 * MILLISECOND).await;
    cancelled.abort();
    let last = harness.read("shop", &names[90..]).await.expect("the read ends");
    assert_eq!(last.values.len(), 10);
    let requested: Vec<_> = harness.store.calls().into_iter().flat_map(|call| call.names).collect();
    assert_eq!(requested.len(), 20, "{requested:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_cancelled_while_all_slots_are_taken_costs_no_call() {
    let harness = Harness::new(100).await;
    let names = harness.store.write_many(400);
    harness.store.state().latency = 60 * SECOND;
    let slow = harness.read("shop", &names[..100]);
    sleep(10 * SECOND).await;
    assert_eq!(harness.store.calls().len(), 10, "as many as may be in flight");
    let cancelled = harness.read("shop", &names[100..]);
    sleep(SECOND).await;
    cancelled.abort();
    assert_eq!(slow.await.expect("the read ends").values.len(), 100);
    sleep(60 * SECOND).await;
    assert!(harness.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn values_are_dropped_with_the_last_reading_that_holds_them() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(20);
    harness.watch("object", &names, 60, true);
    let reads = [harness.read("a", &names), harness.read("b", &names[..5])];
    let cancelled = harness.read("c", &names);
    cancelled.abort();
    let [first, second] = reads;
    let first = first.await.expect("the read ends");
    let second = second.await.expect("the read ends");
    assert_eq!(harness.store.values_alive(), 20);
    drop(first);
    assert_eq!(harness.store.values_alive(), 5);
    drop(second);
    assert_eq!(harness.store.values_alive(), 0);
    advance(600 * SECOND).await;
    assert_eq!(harness.store.values_alive(), 0, "only readings hold values");
}

#[tokio::test(start_paused = true)]
async fn a_large_first_sync_does_not_delay_that_of_another_namespace() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10_001);
    let large: Vec<_> = names[..10_000].chunks(10).map(|names| harness.read("large", names)).collect();
    sleep(45 * SECOND).await;
    let start = Instant::now();
    harness.read("small", &names[10_000..]).await.expect("the read ends");
    assert!(start.elapsed() <= SECOND / 2, "{:?}", start.elapsed());
    for read in large {
        assert_eq!(read.await.expect("the read ends").values.len(), 10);
    }
    assert!(harness.store.calls().len() <= 1_001);
}

#[tokio::test(start_paused = true)]
async fn an_optional_read_keeps_the_precise_error_of_a_required_one() {
    let harness = Harness::new(10).await;
    harness.store.write("/there");
    let missing = [version("/there", 7)];
    harness.watch("strict", &missing, 60, false);
    harness.read("shop", &missing).await.expect("the read ends");
    let loose = optional([&missing[0]]);
    let reading = harness.reader.read(&loose, ReadMode::Decrypt, Purpose::FirstSync, &object("shop", "loose")).await;
    assert!(reading.errors.is_empty() && reading.versions[&missing[0]].is_none());
    let Snapshot::Complete { errors, .. } = harness.reader.snapshot(&needed(&missing)) else {
        unreachable!("it was read")
    };
    assert!(matches!(errors[&missing[0]], ReadError::VersionNotFound), "{errors:?}");
}
