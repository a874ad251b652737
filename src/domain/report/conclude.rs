//! What follows from an attempt: status, Events, what to remember, and when to reconcile again.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{
        Condition, ConditionType, Reason, SecureParameterStatus,
        status::{LastAccess, WrittenSecret},
        time::to_time,
    },
    domain::{
        Fault,
        audit::Access,
        report::{
            attempt::{Attempt, ObservedParameters, Outcome, RestartOutcome, Written},
            events::{TimedEvent, access_events, failure_events, key_events, repair_event},
            restart_condition::{conclude_restart, restart_plan, with_restart},
            status::{StatusBuilder, WriteReport},
            subject::Subject,
        },
        schedule::{
            absence::Absence,
            backoff,
            correction_limit::Correction,
            decide::Purpose,
            hold::Hold,
            object_state::{ObjectState, Shape, StatusWrite},
            restart::SecretChange,
        },
    },
};

/// Retry interval for faults in the values themselves: only a change helps, and a change triggers the object anyway.
const RESYNC: Duration = Duration::from_secs(24 * 3_600);

/// What follows from an attempt.
#[derive(Debug)]
pub(crate) struct Conclusion {
    /// What to remember. Holds the status that the object should show.
    pub state: ObjectState,
    /// Whether that status has to be written.
    pub writes_status: bool,
    /// Whether to report that somebody else keeps changing the status.
    pub reports_contest: bool,
    /// Events to create, each with its time.
    pub events: Vec<TimedEvent>,
    /// When to reconcile again; `None`: only on a change.
    pub wake: Option<Duration>,
    /// How the attempt ended, as metrics count it.
    pub reason: Reason,
    /// What to log.
    pub news: Option<News>,
    /// Whether AWS refused the credentials, so that the store has to check them.
    pub credentials_refused: bool,
    /// Why the Secret was put right, if somebody else had changed it.
    pub repair: Option<Purpose>,
}

/// News about an object, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It works again, after failing since this time.
    Recovered(Timestamp),
    /// It fails, or fails in another way than before.
    Failed(Fault),
}

/// How an attempt ended, before restarts of workloads are taken into account.
struct Ending {
    status: SecureParameterStatus,
    events: Vec<TimedEvent>,
    wake: Option<Duration>,
    reason: Reason,
    news: Option<News>,
    repair: Option<Purpose>,
}

/// Concludes from the remembered state and an attempt. `restart` is the result of a restart that was due before the
/// attempt.
pub(crate) fn conclude(
    subject: &Subject<'_>,
    state: &ObjectState,
    restart: Option<RestartOutcome>,
    attempt: Attempt,
) -> Conclusion {
    let mut next = state.clone();
    let Attempt { outcome, accesses, absence, intact, interim } = attempt;
    if let Some(interim) = interim {
        next.status = interim.status;
        next.status_write = StatusWrite::Written(interim.resource_version);
    }
    next.secret = intact.or(next.secret);
    if let Some(absence) = absence {
        next.history.absence = absence;
    }
    let before = Arc::clone(&next.status);
    let restart_event = restart.and_then(|restart| conclude_restart(subject, &mut next, restart));
    let is_suspended = matches!(outcome, Outcome::Suspended);
    let credentials_refused =
        matches!(&outcome, Outcome::Failed { fault, .. } if fault.reason == Reason::CredentialsInvalid);
    let ending = conclude_outcome(subject, &mut next, &before, outcome, &accesses);
    let mut status = with_restart(subject, &next, ending.status, &before);
    let is_unwritten = matches!(next.status_write, StatusWrite::Failed);
    let has_news = status != *before || is_unwritten;
    let correction = correction(subject, &mut next, has_news);
    status.shrink_to_fit();
    // One that is as before goes on being shared with the cache.
    next.status = if status == *before { before } else { Arc::new(status) };
    let restart_due = next.history.restart.pending.filter(|_| !is_suspended);
    let restart_in = restart_due.map(|pending| pending.due.saturating_sub(subject.uptime));
    Conclusion {
        writes_status: has_news || correction == Some(Correction::Now),
        reports_contest: correction.is_some_and(Correction::is_to_be_reported),
        events: restart_event.into_iter().chain(ending.events).collect(),
        wake: [ending.wake, restart_in, correction.and_then(Correction::wait)].into_iter().flatten().min(),
        reason: ending.reason,
        news: ending.news,
        credentials_refused,
        repair: ending.repair,
        state: next,
    }
}

/// What to do about a status that somebody else changed. News are written in any case, and correct it on the way.
fn correction(subject: &Subject<'_>, next: &mut ObjectState, has_news: bool) -> Option<Correction> {
    (subject.is_status_contradicted && !has_news).then(|| next.history.corrections.decide(subject.uptime))
}

fn conclude_outcome(
    subject: &Subject<'_>,
    next: &mut ObjectState,
    before: &SecureParameterStatus,
    outcome: Outcome,
    accesses: &[Access],
) -> Ending {
    let builder = builder(subject, before, subject.now);
    match outcome {
        Outcome::Suspended => {
            let status = builder.suspended();
            Ending { status, events: Vec::new(), wake: None, reason: Reason::Suspended, news: None, repair: None }
        }
        Outcome::Waiting { wait, reason } => {
            Ending { status: before.clone(), events: Vec::new(), wake: Some(wait), reason, news: None, repair: None }
        }
        Outcome::Unchanged { wake } => Ending { wake, ..succeed(subject, next, builder.unchanged(), accesses) },
        Outcome::Verified { secret, parameters, shape } => {
            let parameters = with_known_fallbacks(next, parameters);
            remember_success(next, &parameters, shape);
            let warnings = key_events(subject, before, &parameters.keys);
            let mut ending = succeed(subject, next, builder.verified(&secret, &parameters), accesses);
            ending.events.extend(warnings);
            ending
        }
        Outcome::Written(written) => conclude_write(subject, next, before, *written, accesses),
        Outcome::Failed { fault, basis } => fail(subject, next, before, fault, basis, accesses),
    }
}

fn conclude_write(
    subject: &Subject<'_>,
    next: &mut ObjectState,
    before: &SecureParameterStatus,
    written: Written,
    accesses: &[Access],
) -> Ending {
    let Written { at, purpose, metadata, keys, revision, parameters, keys_by_parameter, shape } = written;
    let secret = WrittenSecret {
        name: subject.secret.to_owned(),
        keys: i32::try_from(keys).unwrap_or(i32::MAX),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
    };
    let write = compare_write(subject, next, before, &secret, &revision, shape);
    if subject.has_workloads && write.calls_for_restart() {
        let (token, message) = restart_plan(&secret, at);
        next.history.restart.plan(token, message, subject.uptime);
    }
    if purpose.is_repair() {
        next.history.repairs.record(subject.uptime);
    }
    remember_success(next, &parameters, shape);
    next.fallbacks.clone_from(&parameters.fallbacks);
    next.secret = Some(metadata.into());
    let report = WriteReport { secret, changed: write.changed, access: last_access(subject, accesses), revision };
    let resource_version = report.secret.resource_version.clone();
    let status = builder(subject, before, at).written(report, &parameters, &keys_by_parameter);
    let mut ending = succeed(subject, next, status, accesses);
    ending.events.extend(key_events(subject, before, &parameters.keys));
    if purpose.is_repair() && write.changed {
        ending.events.push((repair_event(subject, purpose, &resource_version), at));
        ending.repair = Some(purpose);
    }
    ending
}

/// What the write means for workloads. A no-op apply leaves the resource version alone, so it is compared with the last one
/// we saw, not with our last write. Until its first success a process compares with what the status recorded: the operator
/// before it may have written the Secret, and ended before it could report that and restart the workloads.
fn compare_write(
    subject: &Subject<'_>,
    next: &ObjectState,
    before: &SecureParameterStatus,
    secret: &WrittenSecret,
    revision: &str,
    shape: Shape,
) -> SecretChange {
    let former = before.written_secret();
    let known = next.secret.as_ref().filter(|snapshot| snapshot.uid == secret.uid && next.shape.is_some());
    let version = known.map(|known| &known.resource_version).or(former.as_ref().map(|former| &former.resource_version));
    SecretChange {
        existed: former.as_ref().is_some_and(|former| former.name == secret.name),
        changed: version != Some(&secret.resource_version),
        sources_changed: before.source_revision() != Some(revision),
        data_shape_changed: match next.shape {
            Some(known) => known.data != shape.data,
            None => before.observed_generation != subject.generation,
        },
    }
}

/// Remembers missing parameters and shape after a success.
fn remember_success(next: &mut ObjectState, parameters: &ObservedParameters, shape: Shape) {
    let absence = Absence::settled(&parameters.versions);
    if next.history.absence != absence {
        next.history.absence = absence;
    }
    next.shape = Some(shape);
}

/// Versions alone do not tell which fallbacks the last read took.
fn with_known_fallbacks(next: &ObjectState, parameters: ObservedParameters) -> ObservedParameters {
    let fallbacks = parameters.fallbacks.or_else(|| next.fallbacks.clone());
    ObservedParameters { fallbacks, ..parameters }
}

fn succeed(
    subject: &Subject<'_>,
    next: &mut ObjectState,
    status: SecureParameterStatus,
    accesses: &[Access],
) -> Ending {
    let failures = next.history.get_mut().map(|history| history.succeeded(subject.uptime)).unwrap_or_default();
    Ending {
        status,
        events: access_events(subject, accesses),
        wake: None,
        reason: Reason::Synced,
        news: failures.since.map(News::Recovered),
        repair: None,
    }
}

fn fail(
    subject: &Subject<'_>,
    next: &mut ObjectState,
    before: &SecureParameterStatus,
    fault: Fault,
    basis: Option<u64>,
    accesses: &[Access],
) -> Ending {
    let since = next.history.failures.record(subject.now);
    let status = builder(subject, before, subject.now).failed(&fault, since, subject.interval);
    let is_news = !without_restarted(&before.conditions).eq(without_restarted(&status.conditions));
    let events = failure_events(subject, next, &fault, accesses, is_news);
    next.history.last_reported_access = accesses.last().map(|access| access.audit_id.clone());
    let wait = match fault.reason {
        Reason::SecretContested => next.history.repairs.wait(subject.uptime),
        reason if reason.concerns_values() => RESYNC,
        reason => backoff::after_failure(reason, next.history.failures.count, subject.interval, subject.uid),
    };
    let is_of_a_read = fault.reason.concerns_values() || accesses.iter().any(|access| access.failed);
    next.history.failures.hold =
        basis.filter(|_| is_of_a_read).map(|basis| Box::new(Hold::new(basis, subject.uptime, wait, fault.reason)));
    let reason = fault.reason;
    Ending { status, events, wake: Some(wait), reason, news: is_news.then_some(News::Failed(fault)), repair: None }
}

/// The conditions that an attempt sets; `Restarted` stands beside them.
fn without_restarted(conditions: &[Condition]) -> impl Iterator<Item = &Condition> {
    conditions.iter().filter(|condition| condition.type_ != ConditionType::Restarted.as_str())
}

fn last_access(subject: &Subject<'_>, accesses: &[Access]) -> Option<LastAccess> {
    let access = accesses.iter().rev().find(|access| access.decrypting)?;
    Some(LastAccess {
        time: to_time(access.time),
        event_name: access.event_name.into(),
        request_id: access.request_id.clone(),
        principal: subject.principal.map(|principal| principal.arn.as_str().into()),
    })
}

const fn builder<'a>(subject: &Subject<'a>, previous: &'a SecureParameterStatus, now: Timestamp) -> StatusBuilder<'a> {
    StatusBuilder { generation: subject.generation, previous, store: subject.store, sync: subject.sync, now }
}
