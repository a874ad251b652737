//! Last stage: what happened becomes the status of the object.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;

use crate::api::{
    Condition, ConditionStatus, ConditionType, Conditions, DEFAULT_REFRESH_INTERVAL, Reason, SecureParameterStatus,
    status::{LISTED_PARAMETERS, LastAccess, ParameterStatus, ResolvedStore, WrittenSecret, to_time},
};
use crate::domain::{
    Fault,
    audit::to_rfc3339,
    parameter::{
        key::{KeyState, ParameterKeys},
        name::ParameterRef,
        revision::{Metadata, Versions},
        selector::Selector,
    },
    report::text::list,
};

/// How many refresh intervals AWS may be out of reach before an object with a good Secret stops being Ready.
const TOLERATED_INTERVALS: u32 = 3;

/// The object whose status is made.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The status it shows now.
    pub status: &'a SecureParameterStatus,
    /// Its store.
    pub store: &'a ResolvedStore,
    /// Value of the sync annotation.
    pub sync: Option<&'a str>,
    /// Time of this reconcile.
    pub now: Timestamp,
}

/// What is known of an object's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// What exists, and what does not.
    pub versions: &'a Versions,
    /// The keys, as far as they are known.
    pub keys: &'a ParameterKeys,
    /// What Parameter Store decrypted although KMS was to do it, and why; `None` if that is not known, after a restart.
    pub detours: Option<&'a SsmFallbacks>,
}

/// Parameters that took the detour through Parameter Store, each with the reason.
pub type SsmFallbacks = BTreeMap<ParameterRef, String>;

/// Begins the sentence about parameters that anybody who may read them reads in clear.
const OPEN: &str = " Not encrypted in Parameter Store, since of type String or StringList: ";

/// Begins the sentence about detours, the last of a message.
const DETOUR: &str = " Decrypted by Parameter Store, since KMS refuses them: ";

/// A Secret that was written in this reconcile.
#[derive(Clone, Debug)]
pub struct Written {
    /// The Secret after the write.
    pub secret: WrittenSecret,
    /// Whether its content changed.
    pub changed: bool,
    /// The access that its values came from.
    pub access: Option<LastAccess>,
}

impl Subject<'_> {
    /// Status while suspended. The sync annotation is not echoed: nothing was done.
    pub fn suspended(&self) -> SecureParameterStatus {
        let since = self.status.condition(ConditionType::Suspended).map_or(self.now, |c| c.last_transition_time.0);
        let message = format!("Suspended since {} by spec.suspend; nothing is read or written.", to_rfc3339(since));
        SecureParameterStatus {
            conditions: self.conditions().suspended(&message),
            last_handled_sync: self.status.last_handled_sync.clone(),
            ..self.base()
        }
    }

    /// Status after parameters were read and the Secret was written.
    pub fn written(&self, written: Written, found: Found<'_>, revision: String) -> SecureParameterStatus {
        let last_change_time =
            if written.changed { Some(to_time(self.now)) } else { self.status.last_change_time.clone() };
        SecureParameterStatus {
            conditions: self.synced(&written.secret, found),
            secret: Some(written.secret),
            source_revision: Some(revision),
            parameters: self.parameters(found),
            parameter_count: Some(i32::try_from(present(found.versions).count()).unwrap_or(i32::MAX)),
            last_change_time,
            last_access: written.access.or_else(|| self.status.last_access.clone()),
            ..self.base()
        }
    }

    /// Status after a look found everything as recorded.
    pub fn verified(&self, secret: &WrittenSecret, found: Found<'_>) -> SecureParameterStatus {
        let conditions = self.synced(secret, found);
        SecureParameterStatus { conditions, parameters: self.parameters(found), ..self.base() }
    }

    /// Status where nothing had to be looked at.
    pub fn unchanged(&self) -> SecureParameterStatus {
        let ready = self.status.condition(ConditionType::Ready);
        let message = ready.map(|c| c.message.clone()).unwrap_or_default();
        let reason = ready.and_then(Condition::known_reason);
        let conditions = match ready.map(|c| c.status) {
            Some(ConditionStatus::True) => self.conditions().ready(reason.unwrap_or(Reason::Synced), &message),
            _ => self.conditions().not_ready(reason.unwrap_or(Reason::Progressing), &message),
        };
        SecureParameterStatus { conditions, ..self.base() }
    }

    /// Status after a failure. While AWS is merely out of reach, an object with a good Secret stays Ready for three
    /// intervals after `failing_since`.
    pub fn failed(&self, fault: &Fault, failing_since: Timestamp, interval: Option<Duration>) -> SecureParameterStatus {
        let was_ready = self.status.condition(ConditionType::Ready).is_some_and(|c| c.status == ConditionStatus::True);
        let patience = interval.unwrap_or(DEFAULT_REFRESH_INTERVAL) * TOLERATED_INTERVALS;
        let failing_for = self.now.duration_since(failing_since);
        // What was good for another generation says nothing of this one.
        let is_current = self.status.observed_generation == self.generation && self.status.secret.is_some();
        let tolerated = is_current && was_ready && Duration::try_from(failing_for).unwrap_or_default() < patience;
        let message = match &self.status.secret {
            Some(secret) if fault.reason.is_outage() => format!(
                "{} Secret {} is kept as it was; failing since {}.",
                fault.message,
                secret.name,
                to_rfc3339(failing_since)
            ),
            // Of a Secret that is in dispute or could not be written, nothing is promised.
            Some(_) | None if fault.reason.concerns_secret() => fault.message.clone(),
            Some(secret) => format!("{} Secret {} is kept as it was.", fault.message, secret.name),
            None => fault.message.clone(),
        };
        let conditions = if fault.reason.is_outage() && tolerated {
            self.conditions().ready(fault.reason, &message)
        } else {
            self.conditions().not_ready(fault.reason, &message)
        };
        // A sync that was asked for and failed is still to be done, so it is not echoed.
        let last_handled_sync = self.status.last_handled_sync.clone();
        SecureParameterStatus { conditions, last_handled_sync, ..self.base() }
    }

    fn synced(&self, secret: &WrittenSecret, found: Found<'_>) -> Vec<Condition> {
        let keys = secret.key_count.map_or_else(|| "keys".to_owned(), |keys| count(keys, "key"));
        let parameters = i32::try_from(present(found.versions).count()).unwrap_or(i32::MAX);
        let holds = format!("Secret {} holds {keys} from {}.", secret.name, count(parameters, "parameter"));
        let before = self
            .status
            .condition(ConditionType::Ready)
            .filter(|ready| ready.reason == Reason::Synced.as_str() && ready.message.starts_with(&holds));
        // Until KMS was asked about every key, what was said of them before stands.
        if let Some(before) = before.filter(|_| found.keys.values().any(|key| !key.asked)) {
            return self.conditions().ready(Reason::Synced, &before.message);
        }
        let open: Vec<_> = present(found.versions)
            .filter(|(_, metadata)| metadata.type_ != "SecureString")
            .map(|(parameter_ref, _)| parameter_ref.to_string())
            .collect();
        let open = if open.is_empty() { String::new() } else { format!("{OPEN}{}.", list(&open)) };
        let troubles: String = troubles(found.keys).flat_map(|(_, trouble)| [" ".to_owned(), trouble]).collect();
        let detours = match (found.detours, before) {
            (Some(detours), _) if detours.is_empty() => String::new(),
            (Some(detours), _) => {
                let names: Vec<_> =
                    detours.iter().map(|(parameter_ref, why)| format!("{parameter_ref} ({why})")).collect();
                format!("{DETOUR}{}.", list(&names))
            }
            (None, Some(before)) => {
                before.message.find(DETOUR).map(|at| before.message[at..].to_owned()).unwrap_or_default()
            }
            (None, None) => String::new(),
        };
        self.conditions().ready(Reason::Synced, &format!("{holds}{open}{troubles}{detours}"))
    }

    fn parameters(&self, found: Found<'_>) -> Vec<ParameterStatus> {
        let status = |(parameter_ref, metadata): (&ParameterRef, &Metadata)| {
            let label = match &parameter_ref.selector {
                Some(Selector::Label(label)) => Some(label.clone()),
                _ => None,
            };
            // What was known of a version's key stays known.
            let before = self.status.parameters.iter().find(|before| {
                before.arn == metadata.arn && before.version == metadata.version && before.label == label
            });
            let key = found.keys.get(parameter_ref);
            let known = |now: Option<String>, before: Option<&String>| now.or_else(|| before.cloned());
            ParameterStatus {
                name: parameter_ref.name.clone(),
                arn: metadata.arn.clone(),
                version: metadata.version,
                label,
                last_modified_time: metadata.last_modified.map(to_time),
                type_: metadata.type_.clone(),
                key_arn: known(key.and_then(|key| key.arn.clone()), before.and_then(|b| b.key_arn.as_ref())),
                key_manager: known(
                    key.and_then(|key| key.manager.clone()),
                    before.and_then(|b| b.key_manager.as_ref()),
                ),
            }
        };
        present(found.versions).take(LISTED_PARAMETERS).map(status).collect()
    }

    const fn conditions(&self) -> Conditions<'_> {
        Conditions::new(self.status.conditions.as_slice(), self.generation, self.now)
    }

    /// What every status says, whatever happened.
    fn base(&self) -> SecureParameterStatus {
        SecureParameterStatus {
            observed_generation: self.generation,
            store: Some(self.store.clone()),
            last_handled_sync: self.sync.map(str::to_owned).or_else(|| self.status.last_handled_sync.clone()),
            ..self.status.clone()
        }
    }
}

fn present(versions: &Versions) -> impl Iterator<Item = (&ParameterRef, &Metadata)> {
    versions.iter().filter_map(|(parameter_ref, metadata)| Some((parameter_ref, metadata.as_ref()?)))
}

/// Keys that are in trouble, each once, with a sentence about it.
pub fn troubles(keys: &ParameterKeys) -> impl Iterator<Item = (&KeyState, String)> {
    let states: BTreeMap<_, _> = keys.values().filter_map(|key| key.state.as_ref()).map(|s| (&s.arn, s)).collect();
    states.into_values().filter_map(|state| Some((state, state.trouble()?)))
}

fn count(number: i32, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{StoreKind, check_kstatus};

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn store() -> ResolvedStore {
        ResolvedStore { kind: StoreKind::ClusterParameterStore, name: "default".into() }
    }

    fn ready_status() -> SecureParameterStatus {
        SecureParameterStatus {
            observed_generation: Some(1),
            conditions: Conditions::new(&[], Some(1), at(0)).ready(Reason::Synced, "fine"),
            secret: Some(WrittenSecret {
                name: "s".into(),
                uid: "u".into(),
                resource_version: "1".into(),
                key_count: Some(1),
            }),
            ..SecureParameterStatus::default()
        }
    }

    fn subject<'a>(status: &'a SecureParameterStatus, store: &'a ResolvedStore, now: i64) -> Subject<'a> {
        Subject { generation: Some(1), status, store, sync: Some("token"), now: at(now) }
    }

    fn ready(status: &SecureParameterStatus) -> (ConditionStatus, &str) {
        (status.conditions[0].status, status.conditions[0].reason.as_str())
    }

    #[test]
    fn an_outage_is_tolerated_for_three_intervals() {
        let (status, store) = (ready_status(), store());
        let fault = Fault::new(Reason::Throttled, "Slow.");
        for (now, expected) in [(1, ConditionStatus::True), (179, ConditionStatus::True), (180, ConditionStatus::False)]
        {
            let next = subject(&status, &store, now).failed(&fault, at(0), Some(MINUTE));
            assert_eq!(ready(&next), (expected, "Throttled"), "after {now} s");
            assert!(next.conditions[0].message.contains("kept as it was"));
            assert_eq!(check_kstatus(&next.conditions, Some(1)), Ok(()));
            assert_eq!(next.secret, status.secret);
        }
    }

    #[test]
    fn other_failures_show_at_once() {
        let (status, store) = (ready_status(), store());
        let next = subject(&status, &store, 1).failed(&Fault::new(Reason::AccessDenied, "No."), at(0), Some(MINUTE));
        assert_eq!(ready(&next), (ConditionStatus::False, "AccessDenied"));
        let empty = SecureParameterStatus::default();
        let next = subject(&empty, &store, 1).failed(&Fault::new(Reason::Throttled, "Slow."), at(0), Some(MINUTE));
        assert_eq!(ready(&next), (ConditionStatus::False, "Throttled"), "nothing good to keep");
        let newer = Subject { generation: Some(2), ..subject(&status, &store, 1) };
        let next = newer.failed(&Fault::new(Reason::Throttled, "Slow."), at(0), Some(MINUTE));
        assert_eq!(ready(&next), (ConditionStatus::False, "Throttled"), "the Secret is of another generation");
    }

    #[test]
    fn suspending_keeps_ready_and_does_not_echo_the_sync() {
        let (status, store) = (ready_status(), store());
        let next = subject(&status, &store, 5).suspended();
        assert_eq!(ready(&next), (ConditionStatus::True, "Synced"));
        assert_eq!(next.last_handled_sync, None);
        assert_eq!(check_kstatus(&next.conditions, Some(1)), Ok(()));
        let again = Subject { now: at(99), ..subject(&next, &store, 99) }.suspended();
        assert_eq!(again, next, "a second look changes nothing");
    }

    #[test]
    fn a_look_that_finds_nothing_changes_nothing() {
        let (mut status, store) = (ready_status(), store());
        status = subject(&status, &store, 5).unchanged();
        assert_eq!(subject(&status, &store, 6).unchanged(), status);
        assert_eq!(status.last_handled_sync.as_deref(), Some("token"));
    }
}
