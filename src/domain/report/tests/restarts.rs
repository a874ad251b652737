use std::time::Duration;

use crate::domain::report::tests::support::{SHAPE, conclude_for, events, ready_state, store, subject, written};
use crate::{
    api::{Condition, ConditionStatus, ConditionType, Reason},
    domain::{
        ownership::drift::SecretSnapshot,
        report::{
            attempt::{Attempt, Outcome, RestartOutcome},
            conclude::{Conclusion, conclude},
            restart_summary::Rollout,
            subject::Subject,
        },
        schedule::{decide::Purpose, object_state::ObjectState},
    },
};

fn with_workloads(state: &ObjectState, restart: Option<RestartOutcome>, attempt: Attempt) -> Conclusion {
    let store = store();
    conclude(&Subject { has_workloads: true, ..subject(&store) }, state, restart, attempt)
}

fn restarted(conclusion: &Conclusion) -> Option<(ConditionStatus, Reason)> {
    let condition = conclusion.state.status.condition(ConditionType::Restarted)?;
    Some((condition.status, Condition::known_reason(condition)?))
}

fn unchanged() -> Attempt {
    Attempt::new(Outcome::Unchanged { wake: None })
}

fn attempted(rollout: Rollout) -> RestartOutcome {
    let rollouts = vec![("Deployment web".to_owned(), rollout)];
    RestartOutcome::Attempted { secret: "checkout".into(), token: "checkout/6".into(), rollouts }
}

#[test]
fn other_content_plans_a_restart() {
    for (version, purpose, is_planned) in [("6", Purpose::ParameterChanged, true), ("5", Purpose::ForcedSync, false)] {
        let conclusion = with_workloads(&ready_state(), None, written(version, purpose));
        let observed = conclusion.state.status.observed.clone().expect("memory");
        let expected = is_planned.then(|| format!("checkout/{version}"));
        assert_eq!(observed.restart, expected, "{version}");
        let pending = (ConditionStatus::False, Reason::RestartPending);
        assert_eq!(restarted(&conclusion), is_planned.then_some(pending), "{version}");
        assert_eq!(conclusion.wake, is_planned.then_some(Duration::from_secs(5)), "{version}");
    }
    let without_workloads = conclude_for(&ready_state(), written("6", Purpose::ParameterChanged));
    assert_eq!((restarted(&without_workloads), without_workloads.wake), (None, None));
    let first = with_workloads(&ObjectState::default(), None, written("6", Purpose::FirstSync));
    assert_eq!(restarted(&first), None, "the first write restarts nothing");
}

/// The next operator finds the Secret as it should be, and makes up for what the status does not record.
#[test]
fn a_change_that_was_written_but_not_reported_plans_a_restart() {
    let intact =
        || Some(SecretSnapshot { uid: "secret".into(), resource_version: "6".into(), ..SecretSnapshot::default() });
    for (shape, is_planned) in [(None, true), (Some(SHAPE), false)] {
        let state = ObjectState { shape, ..ready_state() };
        // A look before the read sees the Secret already.
        let looked = with_workloads(&state, None, Attempt { intact: intact(), ..unchanged() }).state;
        let attempt = Attempt { intact: intact(), ..written("6", Purpose::ParameterChanged) };
        let conclusion = with_workloads(&looked, None, attempt);
        let observed = conclusion.state.status.observed.clone().expect("memory");
        assert_eq!(observed.restart.as_deref(), is_planned.then_some("checkout/6"), "{shape:?}");
    }
}

#[test]
fn the_result_of_a_restart_is_reported_once() {
    let planned = with_workloads(&ready_state(), None, written("6", Purpose::ParameterChanged)).state;
    for (rollout, expected, wake) in [
        (Rollout::Started, (ConditionStatus::True, Reason::Restarted), None),
        (Rollout::Missing, (ConditionStatus::False, Reason::RestartFailed), None),
        (Rollout::Paused, (ConditionStatus::False, Reason::RestartPending), Some(Duration::from_secs(60))),
    ] {
        let first = with_workloads(&planned, Some(attempted(rollout.clone())), unchanged());
        assert_eq!((restarted(&first), first.wake), (Some(expected), wake), "{rollout:?}");
        assert_eq!(events(&first), [expected.1.as_str()], "{rollout:?}");
        let again = with_workloads(&first.state, Some(attempted(rollout)), unchanged());
        assert_eq!((events(&again).len(), again.writes_status), (0, false));
    }
}

#[test]
fn a_restart_without_workloads_is_forgotten() {
    let planned = with_workloads(&ready_state(), None, written("6", Purpose::ParameterChanged)).state;
    let conclusion = conclude(&subject(&store()), &planned, Some(RestartOutcome::Obsolete), unchanged());
    assert_eq!((restarted(&conclusion), conclusion.wake), (None, None));
}

#[test]
fn a_suspended_object_does_not_wake_for_a_restart() {
    let planned = with_workloads(&ready_state(), None, written("6", Purpose::ParameterChanged)).state;
    assert_eq!(with_workloads(&planned, None, Attempt::new(Outcome::Suspended)).wake, None);
    assert_eq!(with_workloads(&planned, None, unchanged()).wake, Some(Duration::from_secs(5)));
}
