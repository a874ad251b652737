//! How many calls of others may come before one's own.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    domain::{
        parameter::{name::ParameterRef, path_query::PathQuery},
        plan::types::{Lookups, Plan},
        schedule::decide::Purpose,
    },
    parameters::{
        ReadMode, Reader, WatchOptions,
        testing::{FakeStore, Harness, needed, object, parameter_ref},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(10);

/// Makes an object of a namespace watch empty paths, as fast as it may.
fn watch_paths(reader: &Arc<Reader<FakeStore>>, namespace: &str, object_number: usize) {
    let paths = (0..16).map(|path| format!("/{namespace}/{object_number}/{path}"));
    let listings = paths.map(|path| PathQuery { path, recursive: true, label: None }).collect();
    let lookups = Lookups { listings, ..Lookups::default() };
    let plan = Plan { lookups: lookups.clone(), ..Plan::default() };
    let options = WatchOptions { interval: Some(INTERVAL), revalidate: None, mode: ReadMode::Decrypt };
    let object = object(namespace, &format!("paths-{object_number}"));
    reader.watch(&object, &plan, options, false);
    let reader = Arc::clone(reader);
    tokio::spawn(async move { reader.lookup(&lookups, Purpose::FirstSync, false, &object).await.errors.len() });
}

/// Makes an object of a namespace watch names, as fast as it may, and reads them.
fn watch_names(reader: &Arc<Reader<FakeStore>>, namespace: &str, object_number: usize, names: &[ParameterRef]) {
    let object = object(namespace, &format!("names-{object_number}"));
    let plan = crate::parameters::testing::plan(names);
    let options = WatchOptions { interval: Some(INTERVAL), revalidate: None, mode: ReadMode::Decrypt };
    reader.watch(&object, &plan, options, false);
    let (reader, names) = (Arc::clone(reader), names.to_vec());
    tokio::spawn(async move {
        reader.read(&needed(&names), ReadMode::Decrypt, Purpose::FirstSync, &object).await.errors.len()
    });
}

/// One namespace owns 62 objects with 16 empty paths and 40 objects with 256 missing names.
fn greedy(reader: &Arc<Reader<FakeStore>>) {
    (0..62).for_each(|number| watch_paths(reader, "greedy", number));
    for number in 0..40 {
        let names: Vec<_> = (0..256).map(|name| parameter_ref(&format!("/greedy/names/{number}/{name}"))).collect();
        watch_names(reader, "greedy", number, &names);
    }
}

async fn first_sync(reader: &Arc<Reader<FakeStore>>, name: &str) -> Duration {
    let (start, names) = (Instant::now(), [parameter_ref(name)]);
    let reads = needed(&names);
    let reading = reader.read(&reads, ReadMode::Decrypt, Purpose::FirstSync, &object("quiet", "object")).await;
    assert_eq!(reading.values.len(), 1);
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn paths_and_names_of_one_namespace_do_not_delay_the_first_sync_of_another() {
    let harness = Harness::new(10).await;
    harness.store.write("/quiet/a");
    greedy(&harness.reader);
    for _ in 0..10 {
        sleep(7 * SECOND).await;
        let waited = first_sync(&harness.reader, "/quiet/a").await;
        assert!(waited <= 6 * SECOND / 10, "{waited:?}: more than six calls of others came before");
    }
}

#[tokio::test(start_paused = true)]
async fn paths_and_names_of_one_identity_do_not_delay_another_identity_of_the_account() {
    let harness = Harness::new(10).await;
    harness.store.write("/quiet/a");
    greedy(&harness.reader);
    let other = harness.second_reader().await;
    for _ in 0..5 {
        sleep(7 * SECOND).await;
        let waited = first_sync(&other, "/quiet/a").await;
        assert!(waited <= 6 * SECOND / 10, "{waited:?}: more than six calls of others came before");
    }
}

#[tokio::test(start_paused = true)]
async fn looks_of_one_namespace_do_not_delay_those_of_another() {
    let mut harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    watch_names(&harness.reader, "quiet", 0, &names);
    greedy(&harness.reader);
    sleep(60 * SECOND).await;
    for name in &names {
        harness.store.write(name.name());
        let (written, mut noticed) = (Instant::now(), false);
        while !noticed {
            sleep(SECOND / 10).await;
            noticed = harness.notified().iter().any(|name| name == "names-0");
            assert!(written.elapsed() <= INTERVAL + 2 * SECOND, "a change is noticed within its interval");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_of_one_namespace_that_hangs_leaves_slots_to_others() {
    let harness = Harness::new(1_000).await;
    let names = harness.store.write_many(2_000);
    harness.store.write("/quiet/a");
    harness.store.state().latency = 5 * SECOND;
    watch_names(&harness.reader, "greedy", 0, &names);
    sleep(SECOND).await;
    let waited = first_sync(&harness.reader, "/quiet/a").await;
    assert!(waited <= 5 * SECOND + SECOND / 10, "{waited:?}: waited for more than its own call");
}

/// Whoever waits for KMS holds no slot of Parameter Store.
#[tokio::test(start_paused = true)]
async fn a_key_that_hangs_leaves_all_slots_to_others() {
    let harness = Harness::new(1_000).await;
    harness.store.write("/quiet/a");
    harness.store.state().kms_latency = 3_600 * SECOND;
    let names = harness.store.write_many(600);
    for (number, names) in names.chunks(10).enumerate() {
        let (reader, names) = (Arc::clone(&harness.reader), names.to_vec());
        let object = object(&format!("greedy-{}", number % 3), &number.to_string());
        tokio::spawn(async move {
            reader.read(&needed(&names), ReadMode::Ciphertext, Purpose::FirstSync, &object).await.errors.len()
        });
    }
    sleep(SECOND).await;
    assert_eq!(harness.store.calls().len(), 60, "all were made");
    let waited = first_sync(&harness.reader, "/quiet/a").await;
    assert!(waited <= SECOND / 10, "{waited:?}");
}
