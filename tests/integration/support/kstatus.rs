//! The rules that kstatus, Flux and Argo CD rely on, as a checker of conditions.

use anyhow::{Context, Result, bail, ensure};
use secure_parameter_operator::api::{Condition, ConditionStatus, Reason};

/// Conditions that may be present with status False.
const MAY_BE_FALSE: [&str; 2] = ["Ready", "Restarted"];

/// Checks the conditions of an object with this `metadata.generation`. Returns the first broken rule as an error.
pub fn check_kstatus(conditions: &[Condition], generation: Option<i64>) -> Result<()> {
    for condition in conditions {
        check_condition(condition, generation)?;
    }
    let find = |type_: &str| conditions.iter().find(|condition| condition.type_ == type_);
    let ready = find("Ready").context("Ready is missing")?;
    let companion = match (find("Reconciling"), find("Stalled")) {
        (Some(_), Some(_)) => bail!("Reconciling and Stalled are both present"),
        (reconciling, stalled) => reconciling.or(stalled),
    };
    let Some(companion) = companion else {
        let is_explained = ready.status == ConditionStatus::True || find("Suspended").is_some();
        ensure!(is_explained, "Ready is not True, but neither Reconciling nor Stalled is present");
        return Ok(());
    };
    ensure!(ready.status != ConditionStatus::True, "Ready is True, but {} is present", companion.type_);
    let same = companion.reason == ready.reason && companion.message == ready.message;
    ensure!(same, "Ready and {} differ in reason or message", companion.type_);
    Ok(())
}

fn check_condition(condition: &Condition, generation: Option<i64>) -> Result<()> {
    let Condition { type_, status, reason, observed_generation, .. } = condition;
    let may_have_status = *status == ConditionStatus::True || MAY_BE_FALSE.contains(&type_.as_str());
    ensure!(may_have_status, "{type_} is present but not True");
    ensure!(*observed_generation == generation, "{type_} is about another generation");
    let is_listed = Reason::ALL.iter().any(|listed| listed.as_str() == reason);
    ensure!(is_listed, "reason {reason} is not in the list of reasons");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Condition, Result, check_kstatus};
    use serde_json::{Value, json};

    fn condition(type_: &str, status: &str, reason: &str) -> Value {
        json!({
            "type": type_,
            "status": status,
            "reason": reason,
            "message": "because",
            "observedGeneration": 3,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    }

    #[test]
    fn broken_rules_are_found() -> Result<()> {
        let ready = |status: &str| condition("Ready", status, "AccessDenied");
        let stalled = condition("Stalled", "True", "AccessDenied");
        let reconciling = condition("Reconciling", "True", "AccessDenied");
        let cases = [
            ("False with Stalled", json!([ready("False"), stalled]), true),
            ("True alone", json!([condition("Ready", "True", "Synced")]), true),
            ("no Ready", json!([stalled]), false),
            ("no companion", json!([ready("False")]), false),
            ("both companions", json!([ready("False"), stalled, reconciling]), false),
            ("True with Stalled", json!([ready("True"), stalled]), false),
            ("Stalled is False", json!([ready("False"), condition("Stalled", "False", "AccessDenied")]), false),
            ("another reason", json!([ready("False"), condition("Stalled", "True", "Throttled")]), false),
            ("unknown reason", json!([condition("Ready", "True", "Unheard")]), false),
        ];
        for (what, conditions, is_right) in cases {
            let conditions: Vec<Condition> = serde_json::from_value(conditions)?;
            assert_eq!(check_kstatus(&conditions, Some(3)).is_ok(), is_right, "{what}");
            assert!(check_kstatus(&conditions, Some(4)).is_err(), "{what}, another generation");
        }
        Ok(())
    }
}
