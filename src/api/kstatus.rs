//! The rules of kstatus, as a check that unit tests call on every list of conditions they build.

use crate::api::condition::{Condition, ConditionStatus, ConditionType, find};
use crate::api::reason::Reason;

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
        if !Reason::ALL.iter().any(|r| r.as_str() == condition.reason) {
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
