//! Keys are learnt once, in nobody's way, and what becomes of them is told.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    domain::parameter::key::ParameterKey,
    parameters::{
        Known,
        testing::{Bench, KEY, needed, parameter_ref},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

async fn curious() -> Bench {
    let bench = Bench::new(10).await;
    bench.store.state().may_not_describe = false;
    bench
}

fn key(bench: &Bench, name: &str) -> Option<ParameterKey> {
    let name = parameter_ref(name);
    let Known::Seen { versions, .. } = bench.reader.known(&needed([&name])) else { return None };
    bench.reader.keys(&versions).remove(&name)
}

#[tokio::test(start_paused = true)]
async fn a_key_is_learnt_once_for_a_version() {
    let mut bench = curious().await;
    let names = bench.store.write_many(60);
    bench.watch("object", &names, 60, true);
    sleep(30 * SECOND).await;
    let sizes: Vec<_> = bench.store.state().descriptions.iter().map(Vec::len).collect();
    assert_eq!(sizes, [50, 10], "fifty to a call");
    assert_eq!(bench.store.state().described, 1, "one key, asked about once");
    let known = key(&bench, "/0059").expect("a key");
    assert_eq!((known.arn.as_deref(), known.manager.as_deref()), (Some(KEY), Some("CUSTOMER")));
    assert!(bench.told().contains(&"object".to_owned()), "its status shows the keys");
    sleep(HOUR / 2).await;
    assert_eq!(bench.store.state().descriptions.len(), 2, "never again while nothing changes");
    bench.store.write("/0007");
    sleep(2 * 60 * SECOND).await;
    assert_eq!(bench.store.state().descriptions.split_off(2), [["/0007"]], "a new version may have another key");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_describe_does_not_try_again_for_an_hour() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(60);
    bench.watch("object", &names, 60, true);
    sleep(59 * HOUR / 60).await;
    assert_eq!(bench.store.state().descriptions.len(), 1);
    assert_eq!(key(&bench, "/0000"), None, "unknown, and nothing is guessed");
    bench.store.state().may_not_describe = false;
    sleep(2 * 60 * SECOND).await;
    assert!(key(&bench, "/0059").is_some());
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_key_is_told_within_an_hour() {
    let mut bench = curious().await;
    bench.store.write("/a");
    bench.watch("object", &[parameter_ref("/a")], 60, true);
    sleep(10 * SECOND).await;
    bench.told();
    bench.store.state().described_as = Some("PendingDeletion");
    sleep(HOUR).await;
    assert_eq!(bench.told(), ["object"]);
    let trouble = key(&bench, "/a").and_then(|key| key.state?.trouble()).expect("trouble");
    assert!(trouble.contains(KEY) && trouble.contains("PendingDeletion"), "{trouble}");
    sleep(3 * HOUR).await;
    assert_eq!(bench.told(), Vec::<String>::new(), "once");
    assert_eq!(bench.store.state().described, 5, "once an hour");
}

/// A read that failed asks about the key before anybody else; those whose reads are yet to fail are told all the same.
#[tokio::test(start_paused = true)]
async fn a_failed_read_keeps_no_news_from_others() {
    let mut bench = curious().await;
    bench.store.write("/a");
    bench.store.write("/b");
    bench.watch("one", &[parameter_ref("/a")], 60, true);
    bench.watch("other", &[parameter_ref("/b")], 60, true);
    sleep(10 * SECOND).await;
    bench.told();
    bench.store.state().described_as = Some("Disabled");
    bench.store.state().bad_keys.insert("/a".into());
    let failed = bench.read("shop", &[parameter_ref("/a")]).await.expect("a reading");
    assert_eq!(failed.errors.len(), 1);
    sleep(HOUR).await;
    assert!(bench.told().contains(&"other".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_the_status_knows_is_not_learnt_again() {
    let bench = curious().await;
    bench.store.write("/a");
    let name = parameter_ref("/a");
    bench.watch("object", std::slice::from_ref(&name), 60, true);
    bench.reader.remember_key(&name, 1, KEY);
    sleep(60 * SECOND).await;
    assert!(bench.store.state().descriptions.is_empty());
    assert_eq!(key(&bench, "/a").and_then(|key| key.arn).as_deref(), Some(KEY));
    assert_eq!(bench.store.state().described, 1, "its state is");
}
