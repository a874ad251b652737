//! Tables of what a process does in an election.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::domain::lease::{
    elector::{Elector, Step},
    record::{Lease, Record},
    timing::Timing,
};

const TIMING: Timing = Timing { duration: Duration::from_secs(12) };
const WALL: Timestamp = Timestamp::UNIX_EPOCH;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn elector() -> Elector {
    Elector::new("me".into(), TIMING)
}

/// A Lease at this version, of this holder.
fn lease(version: u64, holder: Option<&str>) -> Lease {
    let record = Record { holder: holder.map(str::to_owned), duration: seconds(12), ..Record::default() };
    Lease { version: version.to_string(), record: Record { transitions: 7, ..record } }
}

/// Who the Lease names after a step that writes it, and its transitions.
fn written(step: Step) -> (Option<String>, i32) {
    match step {
        Step::Create(record) | Step::Replace(Lease { record, .. }) => (record.holder, record.transitions),
        Step::Look | Step::Wait(_) => unreachable!("{step:?} writes nothing"),
    }
}

fn me(transitions: i32) -> (Option<String>, i32) {
    (Some("me".into()), transitions)
}

#[test]
fn it_looks_first_and_creates_what_does_not_exist() {
    let mut elector = elector();
    assert_eq!(elector.next(seconds(0), WALL), Step::Look);
    elector.saw(None, seconds(1));
    assert_eq!(written(elector.next(seconds(1), WALL)), me(0));
    assert_eq!(elector.writes_until(), None, "it only wants to");
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let mut elector = elector();
    elector.saw(Some(lease(1, Some("other"))), seconds(0));
    assert_eq!(elector.next(seconds(1), WALL), Step::Wait(seconds(12)));
    elector.saw(Some(lease(2, None)), seconds(1));
    assert_eq!(written(elector.next(seconds(1), WALL)), me(8));
}

#[test]
fn another_process_leads_until_its_lease_was_seen_unchanged_for_as_long_as_it_says() {
    let mut elector = elector();
    let mut changed = lease(1, Some("other"));
    elector.saw(Some(changed.clone()), seconds(10));
    // Another label, for example.
    changed.version = "2".into();
    elector.saw(Some(changed.clone()), seconds(20));
    assert_eq!(elector.next(seconds(21), WALL), Step::Wait(seconds(22)));
    changed.record.renewed_at = Some(WALL);
    changed.record.duration = seconds(30);
    elector.saw(Some(changed.clone()), seconds(21));
    assert_eq!(elector.next(seconds(50), WALL), Step::Wait(seconds(51)));
    let Step::Replace(taken) = elector.next(seconds(51), WALL) else { unreachable!("it takes over") };
    assert_eq!((taken.version.as_str(), taken.record.holder.as_deref()), ("2", Some("me")));
}

#[test]
fn a_leader_renews_and_writes_until_a_time_that_counts_from_before_the_renewal() {
    let mut elector = elector();
    elector.saw(None, seconds(0));
    elector.wrote(lease(1, Some("me")), seconds(1), seconds(3));
    assert_eq!(elector.writes_until(), Some(seconds(9)));
    assert_eq!(elector.next(seconds(2), WALL), Step::Wait(seconds(3)));
    assert_eq!(written(elector.next(seconds(3), WALL)), me(7));
    // No answer.
    elector.look_again();
    assert_eq!(elector.next(seconds(4), WALL), Step::Look);
    elector.saw(Some(lease(2, Some("me"))), seconds(5));
    assert_eq!(elector.writes_until(), Some(seconds(9)), "to be named is no renewal");
    assert_eq!(written(elector.next(seconds(5), WALL)), me(7));
}

#[test]
fn who_sees_another_leader_does_not_lead() {
    let mut elector = elector();
    elector.wrote(lease(1, Some("me")), seconds(1), seconds(1));
    elector.saw(Some(lease(2, Some("other"))), seconds(2));
    assert_eq!((elector.writes_until(), elector.other()), (None, Some("other")));
    assert_eq!(elector.release(WALL), None);
}

#[test]
fn a_lease_that_somebody_deleted_is_not_taken_before_its_time() {
    let mut elector = elector();
    elector.saw(Some(lease(1, Some("other"))), seconds(5));
    elector.saw(None, seconds(6));
    assert_eq!(elector.next(seconds(6), WALL), Step::Wait(seconds(17)));
    assert_eq!(written(elector.next(seconds(17), WALL)), me(0));
}

#[test]
fn only_the_holder_releases() {
    let mut elector = elector();
    elector.wrote(lease(3, Some("me")), seconds(1), seconds(1));
    let released = elector.release(WALL).expect("it holds it");
    assert_eq!((released.version.as_str(), released.record.holder), ("3", None));
    assert_eq!((released.record.duration, released.record.transitions), (seconds(1), 7));
    elector.look_again();
    assert_eq!(elector.release(WALL), None, "not known for certain");
}
