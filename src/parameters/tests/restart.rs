//! What is looked at after a restart, and in which order.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    domain::{parameter::name::ParameterRef, schedule::decide::Purpose},
    parameters::{
        ReadMode, Snapshot, VersionAge, WatchOptions,
        testing::{Harness, needed, object},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: u64 = 3_600;

/// Makes a thousand objects watch a parameter each, as they do one after the other when the operator starts.
async fn start(harness: &Harness, known: &[(ParameterRef, VersionAge)]) {
    for (number, (name, age)) in known.iter().enumerate() {
        harness.watch(&number.to_string(), std::slice::from_ref(name), INTERVAL, true);
        harness.reader.remember_version(name, *age);
        if number % 100 == 99 {
            sleep(SECOND / 100).await;
        }
    }
}

/// A thousand parameters of which every fiftieth was written lately, with what the statuses know of them.
async fn stopped() -> (Harness, Vec<(ParameterRef, VersionAge)>) {
    let mut harness = Harness::new(10).await;
    harness.store.state().latency = SECOND / 50;
    let names = harness.store.write_many(1_000);
    for name in names.iter().step_by(50) {
        (0..5).for_each(|_| harness.store.write(name.name()));
    }
    let age = |name: &ParameterRef| {
        let (version, modified) = harness.store.newest(name).expect("it was written");
        VersionAge::new(version, modified)
    };
    let known = names.iter().map(|name| (name.clone(), age(name))).collect();
    harness.restart().await;
    (harness, known)
}

#[tokio::test(start_paused = true)]
async fn what_was_written_lately_is_looked_at_first() {
    let (harness, known) = stopped().await;
    let changed: Vec<_> = known.iter().step_by(100).map(|(name, _)| name.clone()).collect();
    for name in &changed {
        harness.store.write(name.name());
    }
    start(&harness, &known).await;
    sleep(2 * SECOND).await;
    let calls = harness.store.calls();
    let is_found = |name: &&ParameterRef| calls.iter().any(|call| call.names.contains(&name.request_name()));
    assert_eq!(changed.iter().filter(is_found).count(), 10, "found within {} of a hundred calls", calls.len());
    assert!(calls.len() <= 25, "{}", calls.len());
}

#[tokio::test(start_paused = true)]
async fn a_restart_costs_one_look_for_ten_names_and_no_value() {
    let (harness, known) = stopped().await;
    let names: Vec<_> = known.iter().map(|(name, _)| name.clone()).collect();
    start(&harness, &known).await;
    let began = Instant::now();
    while !matches!(harness.reader.snapshot(&needed(&names)), Snapshot::Complete { .. }) {
        sleep(SECOND / 10).await;
    }
    assert!(began.elapsed() <= 11 * SECOND, "the whole rate is used: {:?}", began.elapsed());
    let calls = harness.store.calls();
    assert!(calls.len() <= 105, "{}", calls.len());
    assert!(calls.iter().all(|call| !call.decrypt));
}

/// Access is proved again later, anywhere within the interval.
#[tokio::test(start_paused = true)]
async fn a_start_decrypts_nothing_at_once() {
    let (harness, known) = stopped().await;
    let hour = Some(Duration::from_secs(INTERVAL));
    let options = WatchOptions { interval: hour, revalidate: hour, mode: ReadMode::Decrypt };
    for (number, (name, _)) in known.iter().enumerate() {
        harness.watch_with(&number.to_string(), std::slice::from_ref(name), options, true);
    }
    sleep(60 * SECOND).await;
    assert!(harness.store.calls().iter().all(|call| !call.decrypt));
    sleep(600 * SECOND).await;
    assert!(harness.store.calls().iter().any(|call| call.decrypt));
}

/// The looks leave a reserve, so that what they find is read at once.
#[tokio::test(start_paused = true)]
async fn looks_do_not_delay_the_reads_of_what_they_find() {
    let (harness, known) = stopped().await;
    start(&harness, &known).await;
    for (name, _) in known.iter().step_by(50).take(5) {
        sleep(SECOND).await;
        let (begun, reads) = (Instant::now(), needed([name]));
        let object = object("shop", "object");
        let reading = harness.reader.read(&reads, ReadMode::Decrypt, Purpose::ParameterChanged, &object).await;
        assert_eq!(reading.values.len(), 1);
        assert!(begun.elapsed() <= SECOND / 20, "window and latency: {:?}", begun.elapsed());
    }
}
