use std::time::Duration;

use crate::domain::report::tests::support::{MINUTE, conclude_for, events, failed, ready, ready_state};
use crate::{
    api::{
        ConditionStatus::{False, True},
        Reason,
    },
    domain::{
        Fault,
        report::{
            attempt::{Attempt, Outcome},
            conclude::News,
        },
        schedule::object_state::ObjectState,
    },
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[test]
fn the_reason_decides_readiness_and_the_next_attempt() {
    for (reason, state, expected, at_least, at_most) in [
        (Reason::AccessDenied, ready_state(), False, MINUTE.mul_f64(0.9), MINUTE),
        (Reason::ParameterNotFound, ready_state(), False, MINUTE.mul_f64(0.9), MINUTE),
        (Reason::ValueError, ready_state(), False, DAY, DAY),
        (Reason::PathEmpty, ready_state(), False, DAY, DAY),
        (Reason::Throttled, ready_state(), True, Duration::ZERO, Duration::from_secs(1)),
        (Reason::Throttled, ObjectState::default(), False, Duration::ZERO, Duration::from_secs(1)),
        (Reason::SecretWriteFailed, ready_state(), False, Duration::ZERO, Duration::from_secs(1)),
    ] {
        let conclusion = conclude_for(&state, failed(reason));
        assert_eq!(ready(&conclusion), (expected, reason));
        let wake = conclusion.wake.expect("a wake-up");
        assert!(wake >= at_least && wake <= at_most, "{reason}: {wake:?}");
        assert_eq!(conclusion.state.status.secret, state.status.secret, "{reason}: the Secret is kept");
    }
}

#[test]
fn a_failed_read_is_held_until_its_next_attempt() {
    for (reason, has_access, basis, is_held) in [
        (Reason::AccessDenied, true, Some(7), true),
        (Reason::AccessDenied, true, None, false),
        (Reason::SecretConflict, false, Some(7), false),
        (Reason::ValueError, false, Some(7), true),
    ] {
        let outcome = Outcome::Failed { fault: Fault::new(reason, "It failed."), basis };
        let accesses = if has_access { failed(reason).accesses } else { Vec::new() };
        let conclusion = conclude_for(&ready_state(), Attempt { accesses, ..Attempt::new(outcome) });
        let hold = conclusion.state.history.failures.hold.clone();
        assert_eq!(hold.is_some_and(|hold| hold.is_for(7) && hold.reason == reason), is_held, "{reason} {basis:?}");
    }
}

#[test]
fn a_failure_is_reported_once() {
    let first = conclude_for(&ready_state(), failed(Reason::AccessDenied));
    assert_eq!(events(&first), ["AccessDenied"]);
    assert_eq!(first.news, Some(News::Failed(Fault::new(Reason::AccessDenied, "It failed."))));
    let again = conclude_for(&first.state, failed(Reason::AccessDenied));
    assert_eq!((events(&again).len(), again.news.is_none(), again.writes_status), (0, true, false));
    assert_eq!(again.state.history.failures.count, 2);
    let other = conclude_for(&again.state, failed(Reason::DecryptDenied));
    assert!(other.news.is_some());
}

#[test]
fn a_fault_without_a_failed_access_has_an_event_of_its_own() {
    let fault = || Attempt::from(Fault::new(Reason::SecretConflict, "Not yours."));
    let first = conclude_for(&ready_state(), fault());
    assert_eq!(events(&first), ["SecretConflict"]);
    assert_eq!(events(&conclude_for(&first.state, fault())).len(), 0);
}

#[test]
fn a_contested_secret_waits_for_its_next_repair() {
    let mut state = ready_state();
    for second in [960, 970, 980] {
        state.history.repairs.record(Duration::from_secs(second));
    }
    let conclusion = conclude_for(&state, Attempt::from(Fault::new(Reason::SecretContested, "Stop it.")));
    assert_eq!(conclusion.wake, Some(Duration::from_secs(20)));
}

#[test]
fn refused_credentials_are_checked_by_the_store() {
    for (reason, expected) in [(Reason::CredentialsInvalid, true), (Reason::AccessDenied, false)] {
        assert_eq!(conclude_for(&ready_state(), failed(reason)).credentials_refused, expected, "{reason}");
    }
}
