//! Paths: what a listing costs, what it tells, and to whom.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    domain::{
        access::read_authority::ReadAuthority,
        audit::aws_error::AwsErrorKind,
        parameter::{name::ParameterRef, path_query::PathQuery},
        plan::types::{Lookups, PathSource, Place, Plan, PlannedSource},
        schedule::decide::Purpose,
    },
    parameters::{
        Mode, Terms,
        testing::{Bench, object, parameter_ref, scope, subscriber},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(60);

/// A plan that wants all that is below `/app`.
fn plan() -> Plan {
    let (filter, mapping) = Default::default();
    let path = PathSource { place: Place::DataFrom(0), query: listing(), filter, mapping, optional: false };
    let lookups = Lookups { listings: [listing()].into(), ..Lookups::default() };
    Plan { sources: vec![PlannedSource::Path(path)], lookups, ..Plan::default() }
}

fn listing() -> PathQuery {
    PathQuery { path: "/app".into(), recursive: false, label: None }
}

/// Has an object watch the path, and what is known to be below.
fn watch(bench: &Bench, name: &str) {
    let terms = Terms { interval: Some(INTERVAL), revalidate: None, mode: Mode::Decrypt };
    let (plan, scope) = (plan(), scope());
    let bounds = ReadAuthority { scope: &scope, prefix: "", grant: None, namespace: "shop", store: "store" };
    let known = bench.reader.looked_up(&plan.lookups());
    let complete = known.and_then(|known| plan.resolve(&known.found, &bounds).ok().map(std::borrow::Cow::into_owned));
    bench.reader.watch(&subscriber(name), &object("shop", name), &complete.unwrap_or(plan), terms, true);
}

/// What is known to be below the path.
fn below(bench: &Bench) -> Vec<String> {
    let known = bench.reader.looked_up(&plan().lookups()).expect("it was listed");
    known.found.listings[&listing()].keys().map(ParameterRef::to_string).collect()
}

/// A path with so many parameters that an object watches.
async fn bench(count: usize) -> Bench {
    let mut bench = Bench::new(1_000).await;
    for number in 0..count {
        bench.store.write(&format!("/app/{number:03}"));
    }
    watch(&bench, "object");
    sleep(SECOND).await;
    watch(&bench, "object");
    bench.told();
    bench.store.state().listed.clear();
    bench
}

#[tokio::test(start_paused = true)]
async fn a_listing_an_interval_is_all_it_takes() {
    let mut bench = bench(25).await;
    assert_eq!(below(&bench).len(), 25);
    sleep(10 * INTERVAL).await;
    let pages = bench.store.state().listed.len();
    assert!((27..=30).contains(&pages), "{pages} pages of three each in ten intervals");
    assert!(bench.store.calls().is_empty(), "nothing is looked at by name");
    assert!(bench.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_comes_changes_and_goes_is_told() {
    let mut bench = bench(2).await;
    bench.store.write("/app/000");
    sleep(INTERVAL + SECOND).await;
    assert_eq!(bench.told(), ["object"], "a new version");
    bench.store.write("/app/new");
    sleep(INTERVAL + SECOND).await;
    assert_eq!(bench.told(), ["object"], "a new parameter");
    watch(&bench, "object");
    bench.store.delete("/app/000");
    sleep(INTERVAL + 6 * SECOND).await;
    assert_eq!(bench.told(), ["object"], "one that went");
    assert_eq!(below(&bench), ["/app/001", "/app/new"]);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_missing_once_is_not_gone() {
    let mut bench = bench(2).await;
    bench.store.delete("/app/000");
    sleep(50 * SECOND).await;
    // Seen to be missing at some time within the interval, and there again five seconds later.
    while bench.store.state().listed.is_empty() {
        sleep(SECOND / 10).await;
    }
    bench.store.write("/app/000");
    sleep(10 * SECOND).await;
    assert_eq!(below(&bench), ["/app/000", "/app/001"]);
    bench.told();
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_is_tried_again_and_keeps_what_was_known() {
    let mut bench = bench(2).await;
    bench.store.state().outage = true;
    sleep(INTERVAL + SECOND).await;
    assert_eq!(bench.told(), ["object"]);
    let known = bench.reader.looked_up(&plan().lookups()).expect("it was listed");
    assert_eq!((known.errors.len(), known.accesses.len()), (1, 1));
    assert_eq!(below(&bench), ["/app/000", "/app/001"]);
    bench.store.state().outage = false;
    sleep(INTERVAL).await;
    assert_eq!(bench.told(), ["object"]);
    assert!(bench.reader.looked_up(&plan().lookups()).expect("it was listed").errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn throttled_pages_are_tried_again() {
    let bench = Bench::new(1_000).await;
    for number in 0..15 {
        bench.store.write(&format!("/app/{number:03}"));
    }
    bench.store.state().script = [Some(AwsErrorKind::Throttled), None, Some(AwsErrorKind::Throttled)].into();
    watch(&bench, "object");
    sleep(10 * SECOND).await;
    assert_eq!(below(&bench).len(), 15);
    assert_eq!(bench.store.state().listed.len(), 4, "two pages, each once in vain");
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_have_it_listed_once() {
    let bench = Bench::new(1_000).await;
    bench.store.write("/app/a");
    bench.store.state().latency = SECOND / 10;
    let lookups = Lookups { listings: [listing()].into(), ..Lookups::default() };
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let name = number.to_string();
            let terms = Terms { interval: Some(INTERVAL), revalidate: None, mode: Mode::Decrypt };
            bench.reader.watch(&subscriber(&name), &object("shop", &name), &plan(), terms, false);
            let (reader, lookups) = (Arc::clone(&bench.reader), lookups.clone());
            tokio::spawn(async move {
                reader.look_up(&lookups, Purpose::FirstSync, false, &object("shop", &name)).await.found.listings.len()
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.expect("an answer"), 1);
    }
    assert_eq!(bench.store.state().listed.len(), 1);
    let again = bench.reader.look_up(&lookups, Purpose::Retry, false, &object("shop", "0")).await;
    assert!(again.errors.is_empty());
    assert_eq!(bench.store.state().listed.len(), 1, "what is known is not asked for again");
    bench.reader.look_up(&lookups, Purpose::ForcedSync, true, &object("shop", "0")).await;
    assert_eq!(bench.store.state().listed.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn names_that_are_wanted_by_name_too_are_looked_at() {
    let bench = bench(2).await;
    bench.watch("other", &[parameter_ref("/app/000")], 60, true);
    sleep(3 * INTERVAL).await;
    let calls = bench.store.calls();
    assert!((2..=4).contains(&calls.len()), "{} calls", calls.len());
    assert!(calls.iter().all(|call| call.names == ["/app/000"]));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_nobody_wants_any_more_stops_and_its_last_call_is_recorded() {
    let bench = Bench::new(1_000).await;
    for number in 0..100 {
        bench.store.write(&format!("/app/{number:03}"));
    }
    bench.store.state().latency = SECOND;
    let audited = bench.store.audited();
    watch(&bench, "object");
    sleep(5 * SECOND / 2).await;
    bench.reader.forget(&subscriber("object"));
    sleep(INTERVAL).await;
    let pages = bench.store.state().listed.len();
    assert_eq!((pages, bench.store.audited() - audited), (3, 3), "pages and their records");
}
