//! Concludes a reconcile of a store: which status to write, and when to reconcile again. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{Conditions, Reason, StoreStatus, status::CallerIdentityStatus},
    controller::store::activity::{Activity, count},
    domain::{Fault, audit::Principal, parameter::scope::Scope, schedule::backoff},
};

/// The position in the backoff at which failed stores are retried. It is constant, so that the delay is too: a watch
/// triggers the store when the cause is within the cluster.
const BACKOFF_ATTEMPT: u32 = 5;

/// Longest delay after a denial.
const DENIED_INTERVAL: Duration = Duration::from_secs(60);

/// Interval at which the annotations of a ServiceAccount are looked at.
const SERVICE_ACCOUNT_INTERVAL: Duration = Duration::from_secs(60);

/// What is known at the end of a reconcile.
pub(crate) struct Inputs<'a> {
    /// uid of the store.
    pub(crate) uid: &'a str,
    /// Generation that was reconciled.
    pub(crate) generation: Option<i64>,
    /// The status before.
    pub(crate) status: &'a StoreStatus,
    /// Number of objects that read from the store.
    pub(crate) subscribers: usize,
    /// The connection, or the fault that prevents it.
    pub(crate) connection: Result<ConnectionFacts<'a>, &'a Fault>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// What the status shows of a connection.
pub(crate) struct ConnectionFacts<'a> {
    /// Account and region.
    pub(crate) scope: &'a Scope,
    /// The identity, as AWS sees it.
    pub(crate) principal: &'a Principal,
    /// What the store does.
    pub(crate) activity: Activity,
    /// Time until the credentials should be checked, if AWS refused them.
    pub(crate) check_due_in: Option<Duration>,
    /// Whether the annotations of a ServiceAccount have to be looked at from time to time.
    pub(crate) follows_service_account: bool,
}

/// What follows from a reconcile.
pub(crate) struct Conclusion {
    /// The status to write.
    pub(crate) status: StoreStatus,
    /// The reason that its conditions show.
    pub(crate) reason: Reason,
    /// When to reconcile again without a trigger.
    pub(crate) requeue_after: Option<Duration>,
}

/// Returns the conclusion.
pub(crate) fn conclude(inputs: &Inputs<'_>) -> Conclusion {
    let conditions = Conditions::new(&inputs.status.conditions, inputs.generation, inputs.now);
    let status = StoreStatus {
        observed_generation: inputs.generation,
        subscribers: Some(count(inputs.subscribers)),
        ..inputs.status.clone()
    };
    match &inputs.connection {
        Ok(connection) => Conclusion {
            status: StoreStatus {
                conditions: conditions.ready(Reason::Synced, &message(connection)),
                identity: Some(CallerIdentityStatus {
                    arn: connection.principal.arn.clone(),
                    account: connection.principal.account.clone(),
                }),
                region: Some(connection.scope.region.clone()),
                quota: Some(connection.activity.quota.clone()),
                sessions: connection.activity.sessions,
                warnings: connection.activity.warnings.clone(),
                ..status
            },
            reason: Reason::Synced,
            requeue_after: next_check(connection),
        },
        Err(fault) => Conclusion {
            status: StoreStatus {
                conditions: conditions.not_ready(fault.reason, &fault.message),
                sessions: None,
                warnings: Vec::new(),
                ..status
            },
            reason: fault.reason,
            requeue_after: Some(retry_delay(fault.reason, inputs.uid)),
        },
    }
}

/// Returns when a store with a fault is tried again. A trust policy is mended where nobody watches it.
fn retry_delay(reason: Reason, uid: &str) -> Duration {
    let delay = backoff::after_failure(reason, BACKOFF_ATTEMPT, None, uid);
    if reason == Reason::AccessDenied { delay.min(DENIED_INTERVAL) } else { delay }
}

fn next_check(connection: &ConnectionFacts<'_>) -> Option<Duration> {
    let follows = connection.follows_service_account.then_some(SERVICE_ACCOUNT_INTERVAL);
    connection.check_due_in.into_iter().chain(follows).min()
}

fn message(connection: &ConnectionFacts<'_>) -> String {
    let ConnectionFacts { scope, principal, activity, .. } = connection;
    let Activity { sessions, quota, parameters, load, .. } = activity;
    let who = if sessions.is_some() { "in sessions of" } else { "as" };
    let reads = format!("Reads account {} in region {} {who} {}.", scope.account, scope.region, principal.arn);
    let allowed = f64::from(quota.requests_per_second);
    if *load <= allowed {
        return reads;
    }
    format!(
        "{reads} Polling {parameters} parameters at the requested intervals takes {load:.1} requests a second, but only \
         {allowed} are allowed, so changes are noticed up to {:.1} times later; raise spec.quota or the refresh intervals.",
        load / allowed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Condition, ConditionStatus, ConditionType, status::QuotaStatus};

    fn concluded(connection: Result<ConnectionFacts<'_>, &Fault>, status: &StoreStatus) -> Conclusion {
        let now = Timestamp::from_second(1).expect("a time");
        conclude(&Inputs { uid: "uid", generation: Some(2), status, subscribers: 3, connection, now })
    }

    fn with_connection(facts: (usize, f64, i32), check_due_in: Option<Duration>) -> Conclusion {
        let scope = Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "1".into() };
        let principal = Principal { arn: "arn:role".into(), account: "1".into(), user_id: "id".into() };
        let (parameters, load, allowed) = facts;
        let quota = QuotaStatus {
            requests_per_second: allowed,
            current_requests_per_second: allowed,
            throttled_since: None,
            sweep_seconds: None,
        };
        let activity = Activity { sessions: None, quota, parameters, load, warnings: Vec::new() };
        let connection = ConnectionFacts {
            scope: &scope,
            principal: &principal,
            activity,
            check_due_in,
            follows_service_account: false,
        };
        concluded(Ok(connection), &StoreStatus::default())
    }

    fn ready(conclusion: &Conclusion) -> &Condition {
        let mut conditions = conclusion.status.conditions.iter();
        conditions.find(|condition| condition.type_ == ConditionType::Ready.as_str()).expect("Ready")
    }

    #[test]
    fn a_connected_store_is_ready_and_waits_for_a_trigger() {
        let conclusion = with_connection((10, 1.0, 20), None);
        assert_eq!(ready(&conclusion).status, ConditionStatus::True);
        assert_eq!(ready(&conclusion).message, "Reads account 1 in region eu-central-1 as arn:role.");
        assert_eq!((conclusion.reason, conclusion.requeue_after), (Reason::Synced, None));
        let StoreStatus { observed_generation, subscribers, region, quota, .. } = &conclusion.status;
        assert_eq!((*observed_generation, *subscribers), (Some(2), Some(3)));
        assert_eq!(quota.as_ref().map(|quota| quota.requests_per_second), Some(20));
        assert_eq!(region.as_deref(), Some("eu-central-1"));
    }

    #[test]
    fn a_store_that_is_polled_too_often_says_how_late_changes_are() {
        let conclusion = with_connection((500, 40.0, 20), None);
        let message = &ready(&conclusion).message;
        assert!(message.contains("500 parameters") && message.contains("2.0 times later"), "{message}");
    }

    #[test]
    fn refused_credentials_are_checked_again() {
        let due = Some(Duration::from_secs(4));
        assert_eq!(with_connection((1, 1.0, 20), due).requeue_after, due);
    }

    #[test]
    fn a_fault_keeps_the_identity_and_is_retried() {
        let before = StoreStatus { region: Some("eu-central-1".into()), ..StoreStatus::default() };
        for (reason, shortest, longest) in [
            (Reason::StoreNotReady, 8, 16),
            (Reason::CredentialsInvalid, 8, 16),
            (Reason::AccessDenied, 60, 60),
            (Reason::InvalidSpec, 270, 300),
        ] {
            let fault = Fault::new(reason, "A sentence.".to_owned());
            let conclusion = concluded(Err(&fault), &before);
            assert_eq!((ready(&conclusion).status, conclusion.reason), (ConditionStatus::False, reason));
            assert_eq!(conclusion.status.region, before.region);
            let delay = conclusion.requeue_after.expect("a delay").as_secs();
            assert!((shortest..=longest).contains(&delay), "{reason}: {delay}");
        }
    }
}
