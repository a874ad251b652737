//! What is remembered of all objects. Memory only: after a restart, status seeds it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    api::{Condition, ConditionType, Reason, SecureParameter, SecureParameterStatus, SharedStatus},
    domain::schedule::{object_state::ObjectState, uptime::Uptime},
};

/// The states of all objects, by uid.
#[derive(Debug, Default)]
pub(crate) struct ObjectStates {
    states: Mutex<HashMap<Arc<str>, Arc<ObjectState>>>,
}

impl ObjectStates {
    /// Returns what is remembered of an object. One that is not remembered is restored from `status`, which the cache shows.
    pub(crate) fn get(&self, uid: &str, status: Option<&SharedStatus>, now: Uptime) -> Arc<ObjectState> {
        let all = self.states.lock();
        let reported = || status.filter(|status| status.is_reported()).cloned().unwrap_or_default().0;
        all.get(uid).cloned().unwrap_or_else(|| Arc::new(ObjectState::from_status(reported(), now)))
    }

    /// Stores the state of an object.
    pub(crate) fn set(&self, uid: &Arc<str>, mut state: ObjectState) {
        state.history.shrink_to_fit();
        self.states.lock().insert(Arc::clone(uid), Arc::new(state));
    }

    /// Forgets an object that was deleted.
    pub(crate) fn remove(&self, uid: &str) {
        self.states.lock().remove(uid);
    }

    /// Takes note of what the cache shows. An object that shows the status last written shares it with what is remembered,
    /// so that it is not in memory twice. Reports whether it shows another.
    pub(crate) fn observe(&self, object: &SecureParameter) -> bool {
        let mut all = self.states.lock();
        let state = object.metadata.uid.as_deref().and_then(|uid| all.get_mut(uid));
        let Some(state) = state else { return false };
        if let Some(SharedStatus(shown)) = &object.status
            && *shown == state.status
            && !Arc::ptr_eq(shown, &state.status)
        {
            Arc::make_mut(state).status = Arc::clone(shown);
        }
        state.is_contradicted_by(object)
    }

    /// Returns what AWS denies to these objects: each different caller, action and resource once, up to `most` in order.
    pub(crate) fn denials(&self, uids: &[Arc<str>], most: usize) -> BTreeSet<String> {
        let (states, mut denials) = (self.states.lock(), BTreeSet::new());
        for denial in uids.iter().filter_map(|uid| denial(&states.get(&**uid)?.status)) {
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
    use crate::{api::Conditions, domain::schedule::object_state::StatusWrite};

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
            uids.push(Arc::from(uid));
            all.set(&uids[uids.len() - 1], ObjectState { status: status.into(), ..ObjectState::default() });
        }
        let denials = |most| all.denials(&uids, most).into_iter().collect::<Vec<_>>();
        assert_eq!(denials(9), ["R may not call A on x.", "R may not call A on z.", "R may not call D on y."]);
        assert_eq!(denials(2), ["R may not call A on x.", "R may not call A on z."]);
    }

    #[test]
    fn a_history_that_is_over_takes_no_room() {
        let (all, uid, mut state) = (ObjectStates::default(), Arc::from("uid"), ObjectState::default());
        state.history.failures.count = 1;
        state.history.failures.count = 0;
        assert!(!state.history.is_default());
        all.set(&uid, state);
        assert!(all.get("uid", None, Uptime::ZERO).history.is_default());
    }

    #[test]
    fn a_status_that_the_object_shows_is_in_memory_once() {
        let conditions = Conditions::new(&[], Some(1), Timestamp::UNIX_EPOCH).ready(Reason::Synced, "A sentence.");
        let status = SecureParameterStatus { conditions, observed_generation: Some(1), ..Default::default() };
        let shown = |status: &SecureParameterStatus, version: &str| {
            let mut object = SecureParameter::new("a", crate::api::SecureParameterSpec::default());
            object.metadata.uid = Some("uid".to_owned());
            object.metadata.resource_version = Some(version.to_owned());
            object.status = Some(SharedStatus(Arc::new(status.clone())));
            object
        };
        let (all, uid) = (ObjectStates::default(), Arc::from("uid"));
        let status_write = StatusWrite::Written(Some("5".to_owned()));
        all.set(&uid, ObjectState { status: status.clone().into(), status_write, ..ObjectState::default() });
        let remembered = || Arc::clone(&all.get("uid", None, Uptime::ZERO).status);
        let echo = shown(&status, "5");
        assert!(!all.observe(&echo) && Arc::ptr_eq(&remembered(), &echo.status.as_ref().expect("a status").0));
        let other = shown(&SecureParameterStatus { observed_generation: Some(2), ..status.clone() }, "6");
        assert!(all.observe(&other), "somebody changed it");
        assert_eq!(*remembered(), status);
        let restored = ObjectStates::default().get("uid", echo.status.as_ref(), Uptime::ZERO);
        assert!(Arc::ptr_eq(&restored.status, &echo.status.as_ref().expect("a status").0), "also after a restart");
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
