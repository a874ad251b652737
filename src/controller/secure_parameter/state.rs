//! What is remembered of all objects. Memory only: after a restart, status seeds it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::{
    api::{Condition, ConditionType, Reason, SecureParameter, SecureParameterStatus},
    domain::schedule::{object_state::ObjectState, uptime::Uptime},
};

/// The states of all objects, by uid.
#[derive(Debug, Default)]
pub(crate) struct ObjectStates {
    states: Mutex<HashMap<String, ObjectState>>,
}

impl ObjectStates {
    /// Returns what is remembered of an object. One that is not remembered is restored from `status`, which the cache shows.
    pub(crate) fn get(&self, uid: &str, status: Option<&SecureParameterStatus>, now: Uptime) -> ObjectState {
        let all = self.states.lock();
        let reported = || status.filter(|status| status.is_reported()).cloned().unwrap_or_default();
        all.get(uid).cloned().unwrap_or_else(|| ObjectState::from_status(reported(), now))
    }

    /// Stores the state of an object.
    pub(crate) fn set(&self, uid: &str, state: ObjectState) {
        self.states.lock().insert(uid.to_owned(), state);
    }

    /// Forgets an object that was deleted.
    pub(crate) fn remove(&self, uid: &str) {
        self.states.lock().remove(uid);
    }

    /// Reports whether the object shows another status than the one last written.
    pub(crate) fn contradicts(&self, object: &SecureParameter) -> bool {
        let all = self.states.lock();
        let state = object.metadata.uid.as_ref().and_then(|uid| all.get(uid));
        state.is_some_and(|state| state.is_contradicted_by(object))
    }

    /// Returns what AWS denies to these objects: each different caller, action and resource once, up to `most` in order.
    pub(crate) fn denials(&self, uids: &[String], most: usize) -> BTreeSet<String> {
        let (states, mut denials) = (self.states.lock(), BTreeSet::new());
        for denial in uids.iter().filter_map(|uid| denial(&states.get(uid)?.status)) {
            if !denials.contains(denial) {
                denials.insert(denial.to_owned());
                if denials.len() > most {
                    denials.pop_last();
                }
            }
        }
        denials
    }

    /// Counts the objects by the reason that they show.
    pub(crate) fn count_by_reason(&self) -> BTreeMap<Reason, i64> {
        let mut counts = BTreeMap::new();
        for state in self.states.lock().values() {
            *counts.entry(shown_reason(&state.status)).or_default() += 1;
        }
        counts
    }
}

/// What AWS denies to an object: the first sentence of its message. The others are about the object itself.
fn denial(status: &SecureParameterStatus) -> Option<&str> {
    let is_denied = matches!(shown_reason(status), Reason::AccessDenied | Reason::DecryptDenied);
    let message = &status.condition(ConditionType::Ready).filter(|_| is_denied)?.message;
    Some(message.find(". ").map_or(message.as_str(), |end| &message[..=end]))
}

/// The reason that an object counts under: that of `Ready`, unless the object is suspended. Then `Ready` stays as it was.
fn shown_reason(status: &SecureParameterStatus) -> Reason {
    let is_suspended = |condition: &Condition| condition.type_ == ConditionType::Suspended.as_str();
    if status.conditions.iter().any(is_suspended) {
        return Reason::Suspended;
    }
    status.ready_reason().unwrap_or(Reason::Progressing)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::Conditions;

    #[test]
    fn a_denial_is_told_once_for_all_objects() {
        let (all, now) = (ObjectStates::default(), Timestamp::UNIX_EPOCH);
        let mut uids = Vec::new();
        for (uid, reason, message) in [
            ("a", Reason::AccessDenied, "R may not call A on x."),
            ("b", Reason::AccessDenied, "R may not call A on x. Secret b is kept as it was."),
            ("c", Reason::DecryptDenied, "R may not call D on y. Secret c is kept as it was."),
            ("d", Reason::ParameterNotFound, "It is missing."),
            ("e", Reason::AccessDenied, "R may not call A on z."),
        ] {
            let conditions = Conditions::new(&[], Some(1), now).not_ready(reason, message);
            let status = SecureParameterStatus { conditions, ..SecureParameterStatus::default() };
            all.set(uid, ObjectState { status: status.into(), ..ObjectState::default() });
            uids.push(uid.to_owned());
        }
        let denials = |most| all.denials(&uids, most).into_iter().collect::<Vec<_>>();
        assert_eq!(denials(9), ["R may not call A on x.", "R may not call A on z.", "R may not call D on y."]);
        assert_eq!(denials(2), ["R may not call A on x.", "R may not call A on z."]);
    }

    #[test]
    fn a_suspended_object_counts_as_suspended_whatever_failed_before() {
        let failed =
            Conditions::new(&[], Some(1), Timestamp::UNIX_EPOCH).not_ready(Reason::AccessDenied, "A sentence.");
        let status = |conditions| SecureParameterStatus { conditions, ..SecureParameterStatus::default() };
        assert_eq!(shown_reason(&status(failed.clone())), Reason::AccessDenied);
        let suspended = Conditions::new(&failed, Some(1), Timestamp::UNIX_EPOCH).suspended("A sentence.");
        assert_eq!(shown_reason(&status(suspended)), Reason::Suspended);
        assert_eq!(shown_reason(&SecureParameterStatus::default()), Reason::Progressing);
    }
}
