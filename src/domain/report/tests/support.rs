//! One object, its state and its attempts.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{
        Condition, ConditionStatus, ConditionType, Conditions, Reason, SecureParameterStatus, StoreKind,
        status::{Observed, ObservedSecret, ResolvedStore, SecretStatus},
    },
    domain::{
        Fault,
        audit::{Access, ParameterOutcome},
        ownership::types::SecretMetadata,
        parameter::{
            name::ParameterRef,
            revision::{Metadata, Versions},
            scope::Scope,
        },
        report::{
            attempt::{Attempt, KeysByParameter, ObservedParameters, Outcome, Written},
            conclude::{Conclusion, conclude},
            subject::Subject,
        },
        schedule::{
            decide::Purpose,
            object_state::{FallbackReasons, ObjectState, Shape},
        },
    },
};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const SHAPE: Shape = Shape { secret: 1, data: 2 };

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

pub fn store() -> ResolvedStore {
    ResolvedStore { kind: StoreKind::ClusterParameterStore, name: "default".into() }
}

/// The object `checkout`, 1,000 s after its first sync.
pub fn subject(store: &ResolvedStore) -> Subject<'_> {
    Subject {
        name: "checkout",
        uid: "uid",
        generation: Some(1),
        store,
        secret: "checkout",
        sync: None,
        interval: Some(MINUTE),
        has_workloads: false,
        principal: None,
        is_status_contradicted: false,
        now: at(1_000),
        uptime: Duration::from_secs(1_000),
    }
}

pub fn parameter() -> ParameterRef {
    let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
    ParameterRef::new("/shop/db", None, &scope)
}

pub fn parameters() -> ObservedParameters {
    let metadata =
        Metadata { arn: parameter().arn.clone(), version: 3, type_: "SecureString".into(), ..Metadata::default() };
    let versions = Versions::from([(parameter(), Some(metadata))]);
    ObservedParameters { versions, fallbacks: Some(FallbackReasons::default()), ..ObservedParameters::default() }
}

/// A write that left the Secret at this resource version.
pub fn written(resource_version: &str, purpose: Purpose) -> Attempt {
    let metadata =
        SecretMetadata { uid: "secret".into(), resource_version: resource_version.into(), ..SecretMetadata::default() };
    let written = Written {
        at: at(1_000),
        purpose,
        metadata,
        keys: 1,
        revision: format!("revision-{resource_version}"),
        parameters: parameters(),
        keys_by_parameter: KeysByParameter::from([(parameter(), ["DB".to_owned()].into())]),
        shape: SHAPE,
    };
    Attempt { accesses: vec![access("read", false)], ..Attempt::new(Outcome::Written(Box::new(written))) }
}

/// A failure of a read.
pub fn failed(reason: Reason) -> Attempt {
    let outcome = Outcome::Failed { fault: Fault::new(reason, "It failed."), basis: Some(7) };
    Attempt { accesses: vec![access("failed", true)], ..Attempt::new(outcome) }
}

pub fn access(id: &str, failed: bool) -> Access {
    let outcome = ParameterOutcome {
        arn: parameter().arn.to_string(),
        selector: None,
        version: (!failed).then_some(3),
        type_: None,
        key: None,
        outcome: if failed { "Failed" } else { "Decrypted" },
    };
    Access {
        event_name: "GetParameters",
        request_id: Some(id.into()),
        audit_id: id.into(),
        time: at(999),
        decrypting: true,
        parameters: vec![outcome],
        failed,
    }
}

/// A state in which the object is Ready, and its Secret at resource version 5.
pub fn ready_state() -> ObjectState {
    let message = "Secret checkout holds 1 key from 1 parameter.";
    let status = SecureParameterStatus {
        observed_generation: Some(1),
        conditions: Conditions::new(&[], Some(1), at(0)).ready(Reason::Synced, message),
        store: Some(store()),
        secret: Some(SecretStatus { name: "checkout".into(), keys: 1 }),
        observed: Some(Observed {
            source_revision: Some("revision-5".into()),
            secret: Some(ObservedSecret { uid: "secret".into(), resource_version: "5".into() }),
            restart: None,
        }),
        ..SecureParameterStatus::default()
    };
    ObjectState { status: Arc::new(status), shape: Some(SHAPE), ..ObjectState::default() }
}

pub fn conclude_for(state: &ObjectState, attempt: Attempt) -> Conclusion {
    conclude(&subject(&store()), state, None, attempt)
}

/// `Ready`, as `status/reason`.
pub fn ready(conclusion: &Conclusion) -> (ConditionStatus, Reason) {
    let ready = conclusion.state.status.condition(ConditionType::Ready).expect("Ready");
    (ready.status, Condition::known_reason(ready).expect("a known reason"))
}

/// The reasons of the Events.
pub fn events(conclusion: &Conclusion) -> Vec<&'static str> {
    conclusion.events.iter().map(|(event, _)| event.reason).collect()
}
