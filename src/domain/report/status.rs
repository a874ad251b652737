//! The status of an object after an attempt.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{
        Condition, ConditionStatus, ConditionType, Conditions, Reason, SecureParameterStatus,
        status::{
            LISTED_KEYS, LISTED_PARAMETERS, LastAccess, Observed, ObservedSecret, ParameterStatus, ResolvedStore,
            SecretStatus, WrittenSecret,
        },
        time::to_time,
    },
    domain::{
        Fault,
        audit::to_rfc3339,
        parameter::{name::ParameterRef, revision::Metadata, selector::Selector},
        report::{
            attempt::{KeysByParameter, ObservedParameters},
            ready_condition::{failure_message, is_tolerated, synced},
        },
    },
};

/// Makes the next status of an object from the previous one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusBuilder<'a> {
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The previous status.
    pub previous: &'a SecureParameterStatus,
    /// The store of the object.
    pub store: &'a ResolvedStore,
    /// Value of the sync annotation.
    pub sync: Option<&'a str>,
    /// Time of the attempt.
    pub now: Timestamp,
}

/// What a write of the Secret adds to the status.
#[derive(Debug)]
pub(crate) struct WriteReport {
    /// The Secret after the write.
    pub secret: WrittenSecret,
    /// Whether its content changed.
    pub changed: bool,
    /// The access that its values came from.
    pub access: Option<LastAccess>,
    /// The revision of its parameters.
    pub revision: String,
}

impl StatusBuilder<'_> {
    /// Status of a suspended object. The sync annotation is not echoed, since nothing was done.
    pub(crate) fn suspended(&self) -> SecureParameterStatus {
        let since = self.previous.condition(ConditionType::Suspended).map_or(self.now, |c| c.last_transition_time.0);
        let message = format!("Suspended by spec.suspend since {}; nothing is read or written.", to_rfc3339(since));
        SecureParameterStatus {
            conditions: self.conditions().suspended(&message),
            last_handled_sync: self.previous.last_handled_sync.clone(),
            ..self.base()
        }
    }

    /// Status after the Secret was written.
    pub(crate) fn written(
        &self,
        write: WriteReport,
        parameters: &ObservedParameters,
        keys: &KeysByParameter,
    ) -> SecureParameterStatus {
        let last_change_time =
            if write.changed { Some(to_time(self.now)) } else { self.previous.last_change_time.clone() };
        let WrittenSecret { name, keys: key_count, uid, resource_version } = write.secret;
        let observed = Observed {
            source_revision: Some(write.revision),
            secret: Some(ObservedSecret { uid, resource_version }),
            restart: self.previous.observed.as_ref().and_then(|observed| observed.restart.clone()),
        };
        SecureParameterStatus {
            conditions: self.synced(&name, key_count, parameters),
            secret: Some(SecretStatus { name, keys: key_count }),
            parameters: self.parameters(parameters, Some(keys)),
            parameter_count: Some(parameters.count_present()),
            last_change_time,
            last_access: write.access.or_else(|| self.previous.last_access.clone()),
            observed: Some(observed),
            ..self.base()
        }
    }

    /// Status after the versions were found as recorded.
    pub(crate) fn verified(&self, secret: &WrittenSecret, parameters: &ObservedParameters) -> SecureParameterStatus {
        let conditions = self.synced(&secret.name, secret.keys, parameters);
        SecureParameterStatus { conditions, parameters: self.parameters(parameters, None), ..self.base() }
    }

    /// Status where nothing had to be compared.
    pub(crate) fn unchanged(&self) -> SecureParameterStatus {
        let ready = self.previous.condition(ConditionType::Ready);
        let message = ready.map(|c| c.message.clone()).unwrap_or_default();
        let reason = ready.and_then(Condition::known_reason);
        let conditions = match ready.map(|c| c.status) {
            Some(ConditionStatus::True) => self.conditions().ready(reason.unwrap_or(Reason::Synced), &message),
            _ => self.conditions().not_ready(reason.unwrap_or(Reason::Progressing), &message),
        };
        SecureParameterStatus { conditions, ..self.base() }
    }

    /// Status after a failure. While AWS is merely out of reach, an object with a good Secret stays Ready for three
    /// intervals after `failing_since`, at most an hour.
    pub(crate) fn failed(
        &self,
        fault: &Fault,
        failing_since: Timestamp,
        interval: Option<Duration>,
    ) -> SecureParameterStatus {
        let message = failure_message(fault, self.previous.secret.as_ref(), failing_since);
        let failing_for = Duration::try_from(self.now.duration_since(failing_since)).unwrap_or_default();
        let was_good = self.previous.observed_generation == self.generation
            && self.previous.secret.is_some()
            && self.previous.is_ready();
        let conditions = if is_tolerated(fault, was_good, failing_for, interval) {
            self.conditions().ready(fault.reason, &message)
        } else {
            self.conditions().not_ready(fault.reason, &message)
        };
        // A sync that failed is still to be done, so the annotation is not echoed.
        let last_handled_sync = self.previous.last_handled_sync.clone();
        SecureParameterStatus { conditions, last_handled_sync, ..self.base() }
    }

    fn synced(&self, secret: &str, keys: i32, parameters: &ObservedParameters) -> Vec<Condition> {
        let message = synced(secret, keys, parameters, self.previous.condition(ConditionType::Ready));
        self.conditions().ready(Reason::Synced, &message)
    }

    /// The listed parameters. `keys` are those of the Secret that was just written; else the previous ones stand.
    fn parameters(&self, parameters: &ObservedParameters, keys: Option<&KeysByParameter>) -> Vec<ParameterStatus> {
        let status = |(index, (parameter, metadata)): (usize, (&ParameterRef, &Metadata))| {
            let label = match &parameter.selector {
                Some(Selector::Label(label)) => Some(label.clone()),
                _ => None,
            };
            // What was known of a version stays known. Two selectors may mean one version: then the place in the list tells.
            let is_same = |previous: &&ParameterStatus| {
                (&*previous.arn, previous.version, &previous.label) == (&*metadata.arn, metadata.version, &label)
            };
            let in_place = self.previous.parameters.get(index).filter(is_same);
            let previous = in_place.or_else(|| self.previous.parameters.iter().find(is_same));
            let key = parameters.keys.get(parameter);
            let keys = match keys {
                Some(keys) => keys.get(parameter).into_iter().flatten().take(LISTED_KEYS).cloned().collect(),
                None => previous.map(|previous| previous.keys.clone()).unwrap_or_default(),
            };
            ParameterStatus {
                arn: metadata.arn.to_string(),
                version: metadata.version,
                label,
                last_modified_time: metadata.last_modified.map(to_time),
                type_: metadata.type_.clone().into(),
                key_arn: key.and_then(|key| Some(key.arn.as_deref()?.into())).or_else(|| previous?.key_arn.clone()),
                key_manager: key
                    .and_then(|key| Some(key.manager.as_deref()?.into()))
                    .or_else(|| previous?.key_manager.clone()),
                keys,
            }
        };
        parameters.present().enumerate().take(LISTED_PARAMETERS).map(status).collect()
    }

    const fn conditions(&self) -> Conditions<'_> {
        Conditions::new(self.previous.conditions.as_slice(), self.generation, self.now)
    }

    /// What every status says.
    fn base(&self) -> SecureParameterStatus {
        SecureParameterStatus {
            observed_generation: self.generation,
            store: Some(self.store.clone()),
            last_handled_sync: self.sync.map(str::to_owned).or_else(|| self.previous.last_handled_sync.clone()),
            ..self.previous.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{StoreKind, kstatus::check_kstatus};

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
            secret: Some(SecretStatus { name: "s".into(), keys: 1 }),
            ..SecureParameterStatus::default()
        }
    }

    fn builder<'a>(status: &'a SecureParameterStatus, store: &'a ResolvedStore, now: i64) -> StatusBuilder<'a> {
        StatusBuilder { generation: Some(1), previous: status, store, sync: Some("token"), now: at(now) }
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
            let next = builder(&status, &store, now).failed(&fault, at(0), Some(MINUTE));
            assert_eq!(ready(&next), (expected, "Throttled"), "after {now} s");
            assert!(next.conditions[0].message.contains("kept as it was"));
            assert_eq!(check_kstatus(&next.conditions, Some(1)), Ok(()));
            assert_eq!(next.secret, status.secret);
        }
    }

    #[test]
    fn other_failures_show_at_once() {
        let (status, store) = (ready_status(), store());
        let next = builder(&status, &store, 1).failed(&Fault::new(Reason::AccessDenied, "No."), at(0), Some(MINUTE));
        assert_eq!(ready(&next), (ConditionStatus::False, "AccessDenied"));
        let empty = SecureParameterStatus::default();
        let next = builder(&empty, &store, 1).failed(&Fault::new(Reason::Throttled, "Slow."), at(0), Some(MINUTE));
        assert_eq!(ready(&next), (ConditionStatus::False, "Throttled"), "nothing good to keep");
        let newer = StatusBuilder { generation: Some(2), ..builder(&status, &store, 1) };
        let next = newer.failed(&Fault::new(Reason::Throttled, "Slow."), at(0), Some(MINUTE));
        assert_eq!(ready(&next), (ConditionStatus::False, "Throttled"), "the Secret is of another generation");
    }

    #[test]
    fn suspending_keeps_ready_and_does_not_echo_the_sync() {
        let (status, store) = (ready_status(), store());
        let next = builder(&status, &store, 5).suspended();
        assert_eq!(ready(&next), (ConditionStatus::True, "Synced"));
        assert_eq!(next.last_handled_sync, None);
        assert_eq!(check_kstatus(&next.conditions, Some(1)), Ok(()));
        let again = StatusBuilder { now: at(99), ..builder(&next, &store, 99) }.suspended();
        assert_eq!(again, next, "a second time changes nothing");
    }

    #[test]
    fn an_unchanged_object_keeps_its_status() {
        let (mut status, store) = (ready_status(), store());
        status = builder(&status, &store, 5).unchanged();
        assert_eq!(builder(&status, &store, 6).unchanged(), status);
        assert_eq!(status.last_handled_sync.as_deref(), Some("token"));
    }
}
