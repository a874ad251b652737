//! Paths: what listing costs, and who is notified of what it finds.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    api::Reason,
    domain::{
        access::read_authority::ReadAuthority,
        aws_error::AwsErrorKind,
        parameter::{name::ParameterRef, path_query::PathQuery},
        plan::types::{Lookups, PathSource, Place, Plan, PlannedSource},
        schedule::decide::Purpose,
    },
    parameters::{
        ReadMode, WatchOptions,
        testing::{Harness, needed, object, parameter_ref, scope, subscriber},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(60);

/// Returns a plan that reads everything below `/app`.
fn plan() -> Plan {
    let (filter, mapping) = Default::default();
    let path = PathSource { place: Place::DataFrom(0), query: query(), filter, mapping, optional: false };
    let lookups = Lookups { listings: [query()].into(), ..Lookups::default() };
    Plan { sources: vec![PlannedSource::Path(path)], lookups, ..Plan::default() }
}

fn query() -> PathQuery {
    PathQuery { path: "/app".into(), recursive: false, label: None }
}

/// Makes an object watch the path, and what is known to be below.
fn watch(harness: &Harness, name: &str) {
    let options = WatchOptions { interval: Some(INTERVAL), revalidate: None, mode: ReadMode::Decrypt };
    let (plan, scope) = (plan(), scope());
    let authority = ReadAuthority { scope: &scope, prefix: "", grant: None, namespace: "shop", store: "store" };
    let known = harness.reader.cached_lookup(&plan.lookups());
    let complete =
        known.and_then(|known| plan.resolve(&known.found, &authority).ok().map(std::borrow::Cow::into_owned));
    harness.reader.watch(&object("shop", name), &complete.unwrap_or(plan), options, true);
}

/// Returns what is known to be below the path.
fn below(harness: &Harness) -> Vec<String> {
    let known = harness.reader.cached_lookup(&plan().lookups()).expect("it was listed");
    known.found.listings[&query()].keys().map(ParameterRef::to_string).collect()
}

/// Returns a reader whose object watches a path with this many parameters.
async fn watching(count: usize) -> Harness {
    let mut harness = Harness::new(1_000).await;
    for number in 0..count {
        harness.store.write(&format!("/app/{number:03}"));
    }
    watch(&harness, "object");
    sleep(SECOND).await;
    watch(&harness, "object");
    harness.notified();
    harness.store.state().listed.clear();
    harness
}

#[tokio::test(start_paused = true)]
async fn a_path_costs_one_listing_in_each_interval() {
    let mut harness = watching(25).await;
    assert_eq!(below(&harness).len(), 25);
    sleep(10 * INTERVAL).await;
    let pages = harness.store.state().listed.len();
    assert!((27..=30).contains(&pages), "{pages} pages of three each in ten intervals");
    assert!(harness.store.calls().is_empty(), "nothing is checked by name");
    assert!(harness.notified().is_empty());
}

#[tokio::test(start_paused = true)]
async fn new_changed_and_deleted_parameters_are_notified() {
    let mut harness = watching(2).await;
    harness.store.write("/app/000");
    sleep(INTERVAL + SECOND).await;
    assert_eq!(harness.notified(), ["object"], "a new version");
    harness.store.write("/app/new");
    sleep(INTERVAL + SECOND).await;
    assert_eq!(harness.notified(), ["object"], "a new parameter");
    watch(&harness, "object");
    harness.store.delete("/app/000");
    sleep(INTERVAL + 6 * SECOND).await;
    assert_eq!(harness.notified(), ["object"], "a deleted parameter");
    assert_eq!(below(&harness), ["/app/001", "/app/new"]);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_one_listing_lacks_is_not_gone() {
    let mut harness = watching(2).await;
    harness.store.delete("/app/000");
    sleep(50 * SECOND).await;
    // Missing from a listing at some time within the interval, and back before the second listing confirms it.
    while harness.store.state().listed.is_empty() {
        sleep(SECOND / 10).await;
    }
    harness.store.write("/app/000");
    sleep(10 * SECOND).await;
    assert_eq!(below(&harness), ["/app/000", "/app/001"]);
    harness.notified();
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_is_retried_and_keeps_what_was_known() {
    let mut harness = watching(2).await;
    harness.store.state().outage = true;
    sleep(INTERVAL + SECOND).await;
    assert_eq!(harness.notified(), ["object"]);
    let known = harness.reader.cached_lookup(&plan().lookups()).expect("it was listed");
    assert_eq!((known.errors.len(), known.accesses.len()), (1, 1));
    assert_eq!(below(&harness), ["/app/000", "/app/001"]);
    harness.store.state().outage = false;
    sleep(INTERVAL).await;
    assert_eq!(harness.notified(), ["object"]);
    assert!(harness.reader.cached_lookup(&plan().lookups()).expect("it was listed").errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn throttled_pages_are_retried() {
    let harness = Harness::new(1_000).await;
    for number in 0..15 {
        harness.store.write(&format!("/app/{number:03}"));
    }
    harness.store.state().script = [Some(AwsErrorKind::Throttled), None, Some(AwsErrorKind::Throttled)].into();
    watch(&harness, "object");
    sleep(10 * SECOND).await;
    assert_eq!(below(&harness).len(), 15);
    assert_eq!(harness.store.state().listed.len(), 4, "two pages, each throttled once");
}

#[tokio::test(start_paused = true)]
async fn simultaneous_lookups_share_one_listing() {
    let harness = Harness::new(1_000).await;
    harness.store.write("/app/a");
    harness.store.state().latency = SECOND / 10;
    let lookups = Lookups { listings: [query()].into(), ..Lookups::default() };
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let name = number.to_string();
            let options = WatchOptions { interval: Some(INTERVAL), revalidate: None, mode: ReadMode::Decrypt };
            harness.reader.watch(&object("shop", &name), &plan(), options, false);
            let (reader, lookups) = (Arc::clone(&harness.reader), lookups.clone());
            tokio::spawn(async move {
                reader.lookup(&lookups, Purpose::FirstSync, false, &object("shop", &name)).await.found.listings.len()
            })
        })
        .collect();
    for lookup in asking {
        assert_eq!(lookup.await.expect("no panic"), 1);
    }
    assert_eq!(harness.store.state().listed.len(), 1);
    let again = harness.reader.lookup(&lookups, Purpose::Retry, false, &object("shop", "0")).await;
    assert!(again.errors.is_empty());
    assert_eq!(harness.store.state().listed.len(), 1, "what is known is not listed again");
    harness.reader.lookup(&lookups, Purpose::ForcedSync, true, &object("shop", "0")).await;
    assert_eq!(harness.store.state().listed.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn names_below_a_path_that_are_also_watched_by_name_are_checked() {
    let harness = watching(2).await;
    harness.watch("other", &[parameter_ref("/app/000")], 60, true);
    sleep(3 * INTERVAL).await;
    let calls = harness.store.calls();
    assert!((2..=4).contains(&calls.len()), "{} calls", calls.len());
    assert!(calls.iter().all(|call| call.names == ["/app/000"]));
}

#[tokio::test(start_paused = true)]
async fn an_unwatched_listing_stops_and_its_last_call_is_recorded() {
    let harness = Harness::new(1_000).await;
    for number in 0..100 {
        harness.store.write(&format!("/app/{number:03}"));
    }
    harness.store.state().latency = SECOND;
    let audited = harness.store.audited();
    watch(&harness, "object");
    sleep(5 * SECOND / 2).await;
    harness.reader.forget(&subscriber("object"));
    sleep(INTERVAL).await;
    let pages = harness.store.state().listed.len();
    assert_eq!((pages, harness.store.audited() - audited), (3, 3), "pages and their records");
}

#[tokio::test(start_paused = true)]
async fn a_path_with_too_many_parameters_is_given_up_and_listed_seldom() {
    let harness = Harness::new(10_000).await;
    for number in 0..5_000 {
        harness.store.write(&format!("/app/{number:05}"));
    }
    watch(&harness, "object");
    sleep(SECOND).await;
    let known = harness.reader.cached_lookup(&plan().lookups()).expect("it was listed");
    let fault = harness.reader.fault(&known.errors).expect("too many");
    assert_eq!(fault.reason, Reason::SecretTooLarge);
    assert!(fault.message.contains("More than 2000 parameters are below path /app"), "{}", fault.message);
    assert!(known.found.listings[&query()].is_empty(), "nothing of them is kept");
    assert_eq!(harness.store.state().listed.len(), 201, "no page more than needed");
    sleep(4 * INTERVAL).await;
    assert_eq!(harness.store.state().listed.len(), 201);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_fit_into_a_secret_is_not_decrypted() {
    let harness = watching(300).await;
    let resolved = |harness: &Harness| {
        let known = harness.reader.cached_lookup(&plan().lookups()).expect("it was listed");
        known.found.listings[&query()].keys().cloned().collect::<Vec<_>>()
    };
    let lookups = plan().lookups();
    let names = resolved(&harness);
    harness.reader.check_size(&needed(&names), &lookups).expect("small values");
    for name in &names {
        // As 4 KiB are stored once they are encrypted.
        harness.store.state().sizes.insert(name.name().to_string(), (4_096 + 1_100) / 3 * 4);
    }
    sleep(INTERVAL + SECOND).await;
    let fault = harness.reader.check_size(&needed(&names), &lookups).expect_err("300 times 4 KiB");
    assert_eq!(fault.reason, Reason::SecretTooLarge);
    assert!(fault.message.contains("300 parameters with 1"), "{}", fault.message);
    harness.reader.check_size(&needed(&names[..200]), &lookups).expect("a part of them fits");
    assert!(harness.store.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_object_does_not_rely_on_an_old_listing() {
    let harness = watching(1).await;
    harness.store.write("/app/new");
    sleep(INTERVAL / 4).await;
    assert_eq!(below(&harness), ["/app/000"], "not due yet");
    let lookups = plan().lookups();
    watch(&harness, "second");
    harness.reader.lookup(&lookups, Purpose::FirstSync, false, &object("shop", "second")).await;
    assert_eq!(below(&harness), ["/app/000", "/app/new"]);
    let pages = harness.store.state().listed.len();
    harness.reader.lookup(&lookups, Purpose::FirstSync, false, &object("shop", "third")).await;
    harness.reader.lookup(&lookups, Purpose::ParameterChanged, false, &object("shop", "object")).await;
    assert_eq!(harness.store.state().listed.len(), pages, "a recent one will do, and any for a known object");
}
