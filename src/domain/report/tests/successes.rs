use std::time::Duration;

use crate::domain::report::tests::support::{
    SHAPE, at, conclude_for, events, parameter, parameters, ready, ready_state, store, subject, written,
};
use crate::{
    api::{
        ConditionStatus::{True, Unknown},
        ConditionType, Reason,
    },
    domain::{
        parameter::{
            key::{KeyState, ParameterKey},
            selector::Selector,
        },
        report::{
            attempt::{Attempt, ObservedParameters, Outcome},
            conclude::{News, conclude},
            subject::Subject,
        },
        schedule::{
            decide::Purpose,
            object_state::{ObjectState, StatusWrite},
        },
    },
};

fn verified(parameters: ObservedParameters) -> Attempt {
    let secret = ready_state().status.written_secret().expect("a Secret");
    Attempt::new(Outcome::Verified { secret, parameters, shape: SHAPE })
}

#[test]
fn the_outcome_decides_status_and_wake_up() {
    let second = Duration::from_secs(1);
    let unchanged = |wake| Attempt::new(Outcome::Unchanged { wake });
    let waiting = || Attempt::waiting(second, Reason::Progressing);
    for (name, state, attempt, expected, wake, writes) in [
        ("unchanged", ready_state(), unchanged(None), (True, Reason::Synced), None, false),
        ("to confirm", ready_state(), unchanged(Some(second)), (True, Reason::Synced), Some(second), false),
        ("waiting", ready_state(), waiting(), (True, Reason::Synced), Some(second), false),
        ("suspended", ready_state(), Attempt::new(Outcome::Suspended), (True, Reason::Synced), None, true),
        (
            "suspended when new",
            ObjectState::default(),
            Attempt::new(Outcome::Suspended),
            (Unknown, Reason::Suspended),
            None,
            true,
        ),
        ("written", ObjectState::default(), written("5", Purpose::FirstSync), (True, Reason::Synced), None, true),
    ] {
        let conclusion = conclude_for(&state, attempt);
        assert_eq!(ready(&conclusion), expected, "{name}");
        assert_eq!((conclusion.wake, conclusion.writes_status), (wake, writes), "{name}");
    }
}

#[test]
fn a_first_write_is_reported_and_remembered() {
    let conclusion = conclude_for(&ObjectState::default(), written("5", Purpose::FirstSync));
    let status = &conclusion.state.status;
    assert_eq!(events(&conclusion), ["ParameterDecrypted"]);
    assert_eq!(status.source_revision(), Some("revision-5"));
    assert_eq!(status.written_secret().map(|secret| (secret.keys, secret.resource_version)), Some((1, "5".into())));
    assert_eq!(status.parameters[0].keys, ["DB"]);
    assert_eq!(status.last_change_time.as_ref().map(|time| time.0), Some(at(1_000)));
    assert_eq!(status.last_access.as_ref().and_then(|access| access.request_id.as_deref()), Some("read"));
    assert_eq!(conclusion.state.shape, Some(SHAPE));
    assert_eq!(conclusion.state.secret.as_ref().map(|secret| secret.uid.as_str()), Some("secret"));
    assert!(conclusion.news.is_none());
}

#[test]
fn a_write_that_changes_nothing_does_not_move_the_change_time() {
    for (version, changed) in [("5", false), ("6", true)] {
        let conclusion = conclude_for(&ready_state(), written(version, Purpose::ForcedSync));
        assert_eq!(conclusion.state.status.last_change_time.is_some(), changed, "resource version {version}");
    }
}

#[test]
fn a_repair_is_reported_and_counted() {
    for (purpose, version, expected, repairs) in [
        (Purpose::SecretDrifted, "6", &["ParameterDecrypted", "Synced"][..], 1),
        (Purpose::SecretMissing, "6", &["ParameterDecrypted", "Synced"], 1),
        (Purpose::SecretDrifted, "5", &["ParameterDecrypted"], 1),
        (Purpose::ParameterChanged, "6", &["ParameterDecrypted"], 0),
    ] {
        let mut state = ready_state();
        let now = Duration::from_secs(1_000);
        (0..2).for_each(|_| state.history.repairs.record(now));
        let conclusion = conclude_for(&state, written(version, purpose));
        assert_eq!(events(&conclusion), expected, "{purpose:?} {version}");
        assert_eq!(conclusion.state.history.repairs.allows(now), repairs == 0, "{purpose:?} {version}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_reported_once() {
    let state = KeyState { arn: "KEY".into(), state: "Disabled".into(), ..KeyState::default() };
    let key = ParameterKey { asked: true, state: Some(state), ..ParameterKey::default() };
    let with_key = || ObservedParameters { keys: [(parameter(), key.clone())].into(), ..parameters() };
    let first = conclude_for(&ready_state(), verified(with_key()));
    assert_eq!(events(&first), ["KeyUnavailable"]);
    let message = &first.state.status.condition(ConditionType::Ready).expect("Ready").message;
    assert!(message.contains("KEY"), "{message}");
    let second = conclude_for(&first.state, verified(with_key()));
    assert_eq!((events(&second).len(), second.writes_status), (0, false));
}

#[test]
fn the_end_of_failures_is_news() {
    let mut state = ready_state();
    state.history.failures.record(at(500));
    let conclusion = conclude_for(&state, verified(parameters()));
    assert_eq!(conclusion.news, Some(News::Recovered(at(500))));
    assert_eq!(conclusion.state.history.failures.count, 0);
}

#[test]
fn a_status_that_is_not_shown_is_written_again() {
    let unwritten = ObjectState { status_write: StatusWrite::Failed, ..ready_state() };
    let unchanged = || Attempt::new(Outcome::Unchanged { wake: None });
    let (store, settled) = (store(), conclude_for(&ready_state(), unchanged()).state);
    let contradicted = Subject { is_status_contradicted: true, ..subject(&store) };
    assert!(!conclude(&subject(&store), &settled, None, unchanged()).writes_status);
    assert!(conclude(&contradicted, &settled, None, unchanged()).writes_status);
    assert!(conclude(&subject(&store), &unwritten, None, unchanged()).writes_status);
}

#[test]
fn a_status_that_somebody_else_keeps_changing_is_corrected_less_and_less_often_and_news_are_not_delayed() {
    let (store, second) = (store(), Duration::from_secs(1));
    let unchanged = || Attempt::new(Outcome::Unchanged { wake: None });
    let mut state = conclude_for(&ready_state(), unchanged()).state;
    for (name, at, has_news, expected) in [
        ("first", 1_000, false, (true, None, false)),
        ("second", 1_001, false, (true, None, false)),
        ("third", 1_002, false, (true, None, false)),
        ("withheld", 1_003, false, (false, Some(59), true)),
        ("news", 1_004, true, (true, None, false)),
        ("withheld after news", 1_005, false, (false, Some(57), false)),
        ("when it is due", 1_062, false, (true, None, false)),
        ("withheld for longer", 1_063, false, (false, Some(119), false)),
    ] {
        let is_status_contradicted = true;
        let subject = Subject { is_status_contradicted, uptime: second * at, ..subject(&store) };
        let attempt = if has_news { written("6", Purpose::ForcedSync) } else { unchanged() };
        let conclusion = conclude(&subject, &state, None, attempt);
        let wake = conclusion.wake.map(|wake| wake.as_secs());
        assert_eq!((conclusion.writes_status, wake, conclusion.reports_contest), expected, "{name}");
        state = conclusion.state;
    }
}

#[test]
fn each_version_of_a_parameter_keeps_its_own_keys() {
    let pinned = parameter().with_selector(Some(Selector::Version(3)));
    let observed = || {
        let mut observed = parameters();
        let metadata = observed.versions[&parameter()].clone();
        observed.versions.insert(pinned.clone(), metadata);
        observed
    };
    let mut attempt = written("5", Purpose::FirstSync);
    if let Outcome::Written(written) = &mut attempt.outcome {
        written.parameters = observed();
        written.keys_by_parameter.insert(pinned.clone(), ["PINNED".to_owned()].into());
    }
    let keys = |state: &ObjectState| state.status.parameters.iter().map(|one| one.keys.clone()).collect::<Vec<_>>();
    let first = conclude_for(&ObjectState::default(), attempt).state;
    assert_eq!(keys(&first), [vec!["DB".to_owned()], vec!["PINNED".to_owned()]]);
    let second = conclude_for(&first, verified(observed())).state;
    assert_eq!(keys(&second), keys(&first), "also where nothing was written");
}
