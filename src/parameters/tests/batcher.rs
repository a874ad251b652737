//! How reads become calls while nothing fails.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, advance, sleep};

use crate::{
    domain::schedule::decide::Purpose,
    parameters::{
        Known, Mode, ReadError,
        testing::{Bench, labelled, needed, object, optional, parameter_ref, version},
    },
};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_read_waits_25_ms_for_company() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(9);
    let start = Instant::now();
    let mut reads = Vec::new();
    for name in &names {
        reads.push(bench.read(&name.name, std::slice::from_ref(name)));
        sleep(2 * MILLISECOND).await;
    }
    for read in reads {
        assert_eq!(read.await.expect("a reading").values.len(), 1);
    }
    let calls = bench.store.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].names.len(), 9);
    assert!((25..27).contains(&(calls[0].at - start).as_millis()), "{:?}", calls[0].at - start);
}

#[tokio::test(start_paused = true)]
async fn a_full_call_waits_for_those_who_may_ask_for_the_same() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    let start = Instant::now();
    let reads: Vec<_> = names.chunks(2).map(|names| bench.read("shop", names)).collect();
    sleep(Duration::from_millis(20)).await;
    let late = bench.read("late", &names);
    for read in reads.into_iter().chain([late]) {
        read.await.expect("a reading");
    }
    assert_eq!((bench.store.calls().len(), start.elapsed()), (1, Duration::from_millis(25)));
}

/// What changed is in the answer of a call that began after the change was seen, whoever made it.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_under_way_serves_those_whom_it_is_new_enough_for() {
    let bench = Bench::new(10).await;
    bench.store.write("/a");
    bench.store.state().latency = SECOND;
    let name = parameter_ref("/a");
    bench.watch("object", std::slice::from_ref(&name), 60, true);
    sleep(5 * SECOND).await;
    bench.store.calls();
    let read = |purpose: Purpose| {
        let (reader, name) = (bench.reader.clone(), name.clone());
        tokio::spawn(
            async move { reader.read(&needed([&name]), Mode::Decrypt, purpose, &object("shop", "object")).await },
        )
    };
    let first = read(Purpose::ParameterChanged);
    sleep(SECOND / 2).await;
    let joins = read(Purpose::ParameterChanged);
    let asks = read(Purpose::ForcedSync);
    for read in [first, joins] {
        assert_eq!(read.await.expect("a reading").values.len(), 1);
    }
    assert_eq!(asks.await.expect("a reading").values.len(), 1);
    assert_eq!(bench.store.calls().len(), 2, "one for both who saw the change, one for the one who wants it newer");
}

#[tokio::test(start_paused = true)]
async fn what_several_want_is_asked_for_once() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    let reads: Vec<_> = (0..100).map(|number| bench.read(&number.to_string(), &names)).collect();
    for read in reads {
        let reading = read.await.expect("a reading");
        assert_eq!((reading.values.len(), reading.accesses.len()), (10, 1));
    }
    assert_eq!((bench.store.calls().len(), bench.store.audited()), (1, 2), "one of them is STS");
}

#[tokio::test(start_paused = true)]
async fn answers_are_matched_by_name_whatever_their_order() {
    let bench = Bench::new(10).await;
    let mut names = bench.store.write_many(12);
    bench.store.write("/0003");
    bench.store.label("/0003", "prod");
    names.extend([version("/0003", 1), labelled("/0003", "prod")]);
    let reading = bench.read("shop", &names).await.expect("a reading");
    for name in &names {
        let version = if name.name == "/0003" && name.request_name() != "/0003:1" { 2 } else { 1 };
        assert_eq!(reading.values[name].expose_secret(), format!("{}#{version}", name.name));
    }
}

#[tokio::test(start_paused = true)]
async fn missing_names_and_missing_versions_are_told_apart() {
    let bench = Bench::new(10).await;
    bench.store.write("/there");
    let (good, gone) = (parameter_ref("/there"), parameter_ref("/gone"));
    let (no_version, no_label) = (version("/there", 7), labelled("/gone", "prod"));
    let names = [good.clone(), gone.clone(), no_version.clone(), no_label.clone()];
    let reading = bench.read("shop", &names).await.expect("a reading");
    assert_eq!(reading.values.keys().collect::<Vec<_>>(), [&good]);
    assert!(matches!(reading.errors[&gone], ReadError::NotFound));
    assert!(matches!(reading.errors[&no_version], ReadError::VersionNotFound));
    assert!(matches!(reading.errors[&no_label], ReadError::NotFound));
    let calls = bench.store.calls();
    assert_eq!(calls.iter().filter(|call| call.decrypt).count(), 2, "two selections, two calls: {calls:?}");
    assert!(calls.iter().filter(|call| !call.decrypt).all(|call| call.names.iter().all(|name| !name.contains(':'))));
    assert!(reading.accesses.iter().any(|access| access.failed));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_absent_is_no_error_and_no_further_question() {
    let bench = Bench::new(10).await;
    let names = [parameter_ref("/gone"), version("/gone", 7)];
    let reads = optional(&names);
    let reading = bench.reader.read(&reads, Mode::Decrypt, Purpose::FirstSync, &object("shop", "object")).await;
    assert!(reading.errors.is_empty());
    assert!(names.iter().all(|name| reading.versions[name].is_none()));
    assert!(bench.store.calls().iter().all(|call| call.decrypt));
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_costs_no_call() {
    let bench = Bench::new(1).await;
    let names = bench.store.write_many(100);
    let read = bench.read("shop", &names[..10]);
    read.await.expect("a reading");
    let given_up = bench.read("shop", &names[10..90]);
    sleep(10 * MILLISECOND).await;
    given_up.abort();
    let last = bench.read("shop", &names[90..]).await.expect("a reading");
    assert_eq!(last.values.len(), 10);
    let asked: Vec<_> = bench.store.calls().into_iter().flat_map(|call| call.names).collect();
    assert_eq!(asked.len(), 20, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_while_all_calls_are_under_way_costs_no_call() {
    let bench = Bench::new(100).await;
    let names = bench.store.write_many(400);
    bench.store.state().latency = 60 * SECOND;
    let slow = bench.read("shop", &names[..100]);
    sleep(10 * SECOND).await;
    assert_eq!(bench.store.calls().len(), 10, "as many as may be under way");
    let given_up = bench.read("shop", &names[100..]);
    sleep(SECOND).await;
    given_up.abort();
    assert_eq!(slow.await.expect("a reading").values.len(), 100);
    sleep(60 * SECOND).await;
    assert!(bench.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn values_go_with_the_last_who_holds_them() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(20);
    bench.watch("object", &names, 60, true);
    let reads = [bench.read("a", &names), bench.read("b", &names[..5])];
    let given_up = bench.read("c", &names);
    given_up.abort();
    let [first, second] = reads;
    let first = first.await.expect("a reading");
    let second = second.await.expect("a reading");
    assert_eq!(bench.store.values_alive(), 20);
    drop(first);
    assert_eq!(bench.store.values_alive(), 5);
    drop(second);
    assert_eq!(bench.store.values_alive(), 0);
    advance(600 * SECOND).await;
    assert_eq!(bench.store.values_alive(), 0, "nobody but a read has values");
}

#[tokio::test(start_paused = true)]
async fn first_syncs_of_others_do_not_wait_for_a_large_one() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10_001);
    let large: Vec<_> = names[..10_000].chunks(10).map(|names| bench.read("large", names)).collect();
    sleep(45 * SECOND).await;
    let start = Instant::now();
    bench.read("small", &names[10_000..]).await.expect("a reading");
    assert!(start.elapsed() <= SECOND / 2, "{:?}", start.elapsed());
    for read in large {
        assert_eq!(read.await.expect("a reading").values.len(), 10);
    }
    assert!(bench.store.calls().len() <= 1_001);
}

#[tokio::test(start_paused = true)]
async fn who_can_do_without_a_version_does_not_blur_what_others_know_of_it() {
    let bench = Bench::new(10).await;
    bench.store.write("/there");
    let missing = [version("/there", 7)];
    bench.watch("strict", &missing, 60, false);
    bench.read("shop", &missing).await.expect("a reading");
    let loose = optional([&missing[0]]);
    let reading = bench.reader.read(&loose, Mode::Decrypt, Purpose::FirstSync, &object("shop", "loose")).await;
    assert!(reading.errors.is_empty() && reading.versions[&missing[0]].is_none());
    let Known::Seen { errors, .. } = bench.reader.known(&needed(&missing)) else { unreachable!("it was asked for") };
    assert!(matches!(errors[&missing[0]], ReadError::VersionNotFound), "{errors:?}");
}
