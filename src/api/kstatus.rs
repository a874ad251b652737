//! The rules of kstatus, as a check that unit tests call on every list of conditions they build.

use crate::api::{
    condition::{Condition, ConditionStatus, ConditionType, find},
    reason::Reason,
};

/// Checks conditions against the rules that kstatus, Flux and Argo CD rely on.
///
/// # Errors
/// The first broken rule, as a sentence.
pub fn check_kstatus(conditions: &[Condition], generation: Option<i64>) -> Result<(), String> {
    let ready = find(conditions, ConditionType::Ready).ok_or("Ready is missing")?;
    let reconciling = find(conditions, ConditionType::Reconciling);
    let stalled = find(conditions, ConditionType::Stalled);
    for condition in conditions {
        let may_be_false = ["Ready", "Restarted"].contains(&condition.type_.as_str());
        if !may_be_false && condition.status != ConditionStatus::True {
            return Err(format!("{} is present but not True", condition.type_));
        }
        if condition.observed_generation != generation {
            return Err(format!("{} speaks of another generation", condition.type_));
        }
        if !Reason::ALL.iter().any(|r| condition.reason == r.as_str()) {
            return Err(format!("reason {} is not in the closed list", condition.reason));
        }
    }
    if reconciling.is_some() && stalled.is_some() {
        return Err("Reconciling and Stalled at once".to_owned());
    }
    let suspended = find(conditions, ConditionType::Suspended).is_some();
    match (ready.status, reconciling.or(stalled)) {
        (ConditionStatus::True, Some(negative)) => Err(format!("Ready=True beside {}", negative.type_)),
        (ConditionStatus::False | ConditionStatus::Unknown, None) if !suspended => {
            Err("Ready is not True, yet neither Reconciling nor Stalled says why".to_owned())
        }
        (_, Some(negative)) if negative.reason != ready.reason || negative.message != ready.message => {
            Err(format!("Ready does not carry the reason and message of {}", negative.type_))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::api::{condition::Conditions, reason::Progress};

    #[test]
    fn every_reason_yields_conditions_that_kstatus_accepts() {
        for reason in Reason::ALL.iter().filter(|r| r.progress() != Progress::Done) {
            let conditions = Conditions::new(&[], Some(3), Timestamp::UNIX_EPOCH).not_ready(*reason, "because");
            assert_eq!(check_kstatus(&conditions, Some(3)), Ok(()), "{reason}");
        }
        for conditions in [
            Conditions::new(&[], Some(3), Timestamp::UNIX_EPOCH).ready(Reason::Synced, "done"),
            Conditions::new(&[], Some(3), Timestamp::UNIX_EPOCH).suspended("since then"),
        ] {
            assert_eq!(check_kstatus(&conditions, Some(3)), Ok(()));
        }
    }

    #[test]
    fn the_checker_finds_broken_conditions() {
        let good = Conditions::new(&[], Some(3), Timestamp::UNIX_EPOCH).not_ready(Reason::AccessDenied, "because");
        assert!(check_kstatus(&good, Some(4)).is_err(), "wrong generation");
        assert!(check_kstatus(&good[1..], Some(3)).is_err(), "no Ready");
        assert!(check_kstatus(&good[..1], Some(3)).is_err(), "no companion");
        let mut both = good.clone();
        both.extend(Conditions::new(&[], Some(3), Timestamp::UNIX_EPOCH).not_ready(Reason::Throttled, "because").pop());
        assert!(check_kstatus(&both, Some(3)).is_err(), "both companions");
        let mut ready = good;
        ready[0].status = ConditionStatus::True;
        assert!(check_kstatus(&ready, Some(3)).is_err(), "ready and stalled");
    }
}
