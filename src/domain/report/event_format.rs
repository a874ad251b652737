//! Kubernetes Events as values. `kubectl describe` shows them to the owner of an object.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::json;

use crate::api::{Reason, names};
use crate::domain::{
    Fault,
    audit::{Access, ParameterOutcome, Principal},
    digest::TextDigest,
    parameter::key::KeyState,
};

/// Longest note that the API server accepts, in bytes (validation of `events.k8s.io/v1`).
const NOTE_BYTES: usize = 1_024;
/// Longest part of an object's name in the names of its Events, in characters, so that the whole stays a valid name.
const NAME_PREFIX: usize = 200;

/// An Event to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Determined by object and access, so that creating the Event again changes nothing.
    pub name: String,
    /// Whether its type is `Warning` rather than `Normal`.
    pub warning: bool,
    /// From the closed list, or [`DECRYPTED`].
    pub reason: &'static str,
    /// The AWS operation, or the operator's own action.
    pub action: &'static str,
    /// One sentence for a person.
    pub note: String,
    /// The same facts for programs.
    pub annotations: BTreeMap<String, String>,
}

/// Reason of the Event of an access that succeeded.
pub(crate) const DECRYPTED: &str = "ParameterDecrypted";

/// Returns the Event of one access, or `None` if it neither decrypted anything nor failed. `fault` is why the object
/// failed, if it did.
pub(crate) fn of_access(
    object: &str,
    uid: &str,
    access: &Access,
    principal: Option<&Principal>,
    fault: Option<&Fault>,
) -> Option<Event> {
    let failure = fault.filter(|_| access.failed);
    // An absent optional parameter is no failure of the object, but it was not read either.
    let has_read = access.decrypting && access.parameters.iter().any(|parameter| parameter.version.is_some());
    if failure.is_none() && !has_read {
        return None;
    }
    let id = access.request_id.as_deref().unwrap_or(&access.audit_id);
    let request = access.request_id.as_ref().map_or_else(|| "no answer".to_owned(), |id| format!("request {id}"));
    let who = principal.map(|p| format!(" as {}", p.arn)).unwrap_or_default();
    let tail = format!(" ({}{who}, {request})", access.event_name);
    let head = failure.map_or_else(|| decrypted(&access.parameters), |fault| fault.message.clone());
    Some(Event {
        name: name(object, &[uid, id, failure.map_or(DECRYPTED, |fault| fault.reason.as_str())]),
        warning: failure.is_some(),
        reason: failure.map_or(DECRYPTED, |fault| fault.reason.as_str()),
        action: access.event_name,
        note: note(&head, &tail),
        annotations: annotations(access, principal),
    })
}

/// Returns the Event of a fault that no AWS call caused. `since` is when it began, in Unix seconds: the same fault at
/// another time is another Event.
pub(crate) fn of_fault(object: &str, uid: &str, since: i64, fault: &Fault) -> Event {
    let reason = fault.reason.as_str();
    Event {
        name: name(object, &[uid, &since.to_string(), reason, &fault.message]),
        warning: true,
        reason,
        action: "Reconcile",
        note: note(&fault.message, ""),
        annotations: BTreeMap::new(),
    }
}

/// Returns the Event of a Secret that was restored after somebody else had changed or deleted it.
pub(crate) fn of_repair(object: &str, uid: &str, resource_version: &str, note_text: &str) -> Event {
    Event {
        name: name(object, &[uid, "repair", resource_version]),
        warning: false,
        reason: Reason::Synced.as_str(),
        action: "RestoreSecret",
        note: note(note_text, ""),
        annotations: BTreeMap::new(),
    }
}

/// Returns the Event of a restart of workloads. `token` identifies the change that it was for.
pub(crate) fn of_restart(object: &str, uid: &str, token: &str, is_done: bool, reason: Reason, message: &str) -> Event {
    Event {
        name: name(object, &[uid, "restart", token, message]),
        warning: !is_done,
        reason: reason.as_str(),
        action: "RestartWorkloads",
        note: note(message, ""),
        annotations: BTreeMap::new(),
    }
}

/// Returns the Event of a key that cannot be used, before a read needs it. `since` is when that was noticed, in Unix
/// seconds.
pub(crate) fn of_key(object: &str, uid: &str, since: i64, key: &KeyState, warning: &str) -> Event {
    Event {
        name: name(object, &[uid, "key", &since.to_string(), &key.arn, &key.state]),
        warning: true,
        reason: Reason::KeyUnavailable.as_str(),
        action: "DescribeKey",
        note: note(warning, ""),
        annotations: BTreeMap::new(),
    }
}

fn decrypted(parameters: &[ParameterOutcome]) -> String {
    let mut text = "Read ".to_owned();
    for (index, parameter) in parameters.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{}", parameter.arn);
        if let Some(version) = parameter.version {
            let _ = write!(text, " version {version}");
        }
        if let Some(key) = &parameter.key {
            let _ = write!(text, " encrypted by {key}");
        }
        if parameter.outcome == "NotFound" {
            text.push_str(" (absent)");
        }
    }
    text
}

fn annotations(access: &Access, principal: Option<&Principal>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let mut set = |key: &str, value: String| annotations.insert(format!("{}{key}", names::DOMAIN), value);
    set("audit-id", access.audit_id.clone());
    set("parameters", json!(access.parameters).to_string());
    if let Some(id) = &access.request_id {
        set("request-id", id.clone());
    }
    if let Some(principal) = principal {
        set("principal", principal.arn.clone());
    }
    annotations
}

fn name(object: &str, parts: &[&str]) -> String {
    let mut digest = TextDigest::default();
    for part in parts {
        digest.add(part);
    }
    let prefix: String = object.chars().take(NAME_PREFIX).collect();
    format!("{}.{}", prefix.trim_end_matches(['.', '-']), &digest.hex()[..16])
}

/// Joins both within the limit. If they are too long, `head` is cut: the tail joins the Event to the audit stream.
fn note(head: &str, tail: &str) -> String {
    let room = NOTE_BYTES.saturating_sub(tail.len() + '…'.len_utf8());
    if head.len() + tail.len() <= NOTE_BYTES {
        return format!("{head}{tail}");
    }
    let cut = (0..=room).rev().find(|at| head.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…{tail}", &head[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(parameters: usize) -> Access {
        let parameter = |n| ParameterOutcome {
            arn: format!("arn:aws:ssm:eu-central-1:111122223333:parameter/{n}/{}", "x".repeat(200)),
            selector: None,
            version: Some(3),
            type_: None,
            key: None,
            outcome: "Decrypted",
        };
        Access {
            event_name: "GetParameters",
            request_id: Some("the-request".into()),
            audit_id: "audit".into(),
            time: k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
            decrypting: true,
            parameters: (0..parameters).map(parameter).collect(),
            failed: false,
        }
    }

    #[test]
    fn notes_fit_the_limit_and_keep_the_request_id() {
        for count in [1, 10] {
            let event = of_access("checkout", "uid", &access(count), None, None).expect("an Event");
            assert!(event.note.len() <= NOTE_BYTES, "{}", event.note.len());
            assert!(event.note.contains("request the-request") && event.note.contains("version 3"));
            assert!(!event.warning);
        }
        assert!(note(&"ä".repeat(NOTE_BYTES), "tail").len() <= NOTE_BYTES);
    }

    #[test]
    fn only_changes_and_failures_make_events() {
        let probe = Access { decrypting: false, ..access(1) };
        assert_eq!(of_access("checkout", "uid", &probe, None, None), None);
        let fault = Fault::new(Reason::AccessDenied, "Denied.");
        let failed = Access { failed: true, ..probe };
        let event = of_access("checkout", "uid", &failed, None, Some(&fault)).expect("an Event");
        assert_eq!((event.warning, event.reason), (true, "AccessDenied"));
    }

    #[test]
    fn an_absent_parameter_does_not_hide_others_that_were_read() {
        let mut some = Access { failed: true, ..access(2) };
        some.parameters[1] = ParameterOutcome { version: None, outcome: "NotFound", ..some.parameters[1].clone() };
        let event = of_access("checkout", "uid", &some, None, None).expect("an Event");
        assert_eq!(event.reason, DECRYPTED);
        assert!(event.note.contains("version 3") && event.note.contains("(absent)"), "{}", event.note);
        some.parameters.remove(0);
        assert_eq!(of_access("checkout", "uid", &some, None, None), None, "nothing was read");
    }

    #[test]
    fn names_are_stable_and_valid() {
        let event = |object: &str| of_access(object, "uid", &access(1), None, None).expect("an Event").name;
        assert_eq!(event("checkout"), event("checkout"));
        assert!(event(&"x".repeat(253)).len() <= 253);
        assert!(event("checkout").starts_with("checkout."));
    }
}
