//! The Events that follow from an attempt.

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::SecureParameterStatus,
    domain::{
        Fault,
        audit::Access,
        parameter::key::ParameterKeys,
        report::{
            event_format::{self, Event},
            key_warning::{key_warnings, shows},
            subject::Subject,
        },
        schedule::{decide::Purpose, object_state::ObjectState},
    },
};

/// An Event with its time.
pub(crate) type TimedEvent = (Event, Timestamp);

/// An Event for each access that decrypted something.
pub(crate) fn access_events(subject: &Subject<'_>, accesses: &[Access]) -> Vec<TimedEvent> {
    let event = |access: &Access| {
        let event = event_format::of_access(subject.name, subject.uid, access, subject.principal, None)?;
        Some((event, access.time))
    };
    accesses.iter().filter_map(event).collect()
}

/// Returns an Event for each unreported access that failed or decrypted something. If no access failed and the fault is
/// new, one for the fault. The informer remembers failed accesses, so one may come again that was reported.
pub(crate) fn failure_events(
    subject: &Subject<'_>,
    next: &ObjectState,
    fault: &Fault,
    accesses: &[Access],
    is_news: bool,
) -> Vec<TimedEvent> {
    let is_unreported = |access: &&Access| next.history.last_reported_access.as_ref() != Some(&access.audit_id);
    let of_access = |access: &Access| {
        let event = event_format::of_access(subject.name, subject.uid, access, subject.principal, Some(fault))?;
        Some((event, access.time))
    };
    let mut events: Vec<_> = accesses.iter().filter(is_unreported).filter_map(of_access).collect();
    if is_news && accesses.iter().all(|access| !access.failed) {
        let event = event_format::of_fault(subject.name, subject.uid, subject.now.as_second(), fault);
        events.push((event, subject.now));
    }
    events
}

/// Warnings about keys that the status does not show yet.
pub(crate) fn key_events(
    subject: &Subject<'_>,
    before: &SecureParameterStatus,
    keys: &ParameterKeys,
) -> Vec<TimedEvent> {
    let is_shown =
        |key: &_, warning: &str| before.conditions.iter().any(|condition| shows(&condition.message, key, warning));
    let warnings = key_warnings(keys).filter(|(key, warning)| !is_shown(key, warning));
    let since = subject.now.as_second();
    let event = |(key, warning): (_, String)| event_format::of_key(subject.name, subject.uid, since, key, &warning);
    warnings.map(|warning| (event(warning), subject.now)).collect()
}

/// The Event of a Secret that was restored.
pub(crate) fn repair_event(subject: &Subject<'_>, purpose: Purpose, resource_version: &str) -> Event {
    let cause = if purpose == Purpose::SecretMissing { "was deleted" } else { "was changed by somebody else" };
    let note = format!("Secret {} {cause}; the operator restored it.", subject.secret);
    event_format::of_repair(subject.name, subject.uid, resource_version, &note)
}
