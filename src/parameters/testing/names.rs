//! Names, objects and identities of tests.

use crate::domain::{
    audit::ObjectRef,
    parameter::{name::ParameterRef, scope::Scope, selector::Selector},
    plan::types::{Read, Reads},
};
use crate::parameters::cache::subscription::{Subscriber, SubscriberKey};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const PRINCIPAL: &str = "arn:aws:sts::111122223333:assumed-role/spo/test";
/// The key of every parameter.
pub(crate) const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/0d9f";

pub(crate) fn scope() -> Scope {
    Scope { partition: "aws".into(), region: REGION.into(), account: ACCOUNT.into() }
}

pub(crate) fn parameter_ref(name: &str) -> ParameterRef {
    ParameterRef::new(name, None, &scope())
}

pub(crate) fn version(name: &str, version: i64) -> ParameterRef {
    ParameterRef::new(name, Some(Selector::Version(version)), &scope())
}

pub(crate) fn labelled(name: &str, label: &str) -> ParameterRef {
    ParameterRef::new(name, Some(Selector::Label(label.into())), &scope())
}

/// Returns the name of a request without its selector.
pub(crate) fn name_without_selector(requested: &str) -> String {
    requested.split(':').next().unwrap_or_default().to_owned()
}

pub(crate) fn object(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        kind: "SecureParameter",
        namespace: Some(namespace.into()),
        name: name.into(),
        uid: format!("uid-{namespace}-{name}").into(),
        secret: None,
        reason: "",
    }
}

pub(crate) fn subscriber(name: &str) -> Subscriber {
    SubscriberKey::of(&object("shop", name))
}

/// Returns reads of parameters that must exist.
pub(crate) fn needed<'a>(names: impl IntoIterator<Item = &'a ParameterRef>) -> Reads<'a> {
    names.into_iter().map(|name| (name, Read { optional: false, listed: false })).collect()
}

/// Returns reads of parameters that may be absent.
pub(crate) fn optional<'a>(names: impl IntoIterator<Item = &'a ParameterRef>) -> Reads<'a> {
    names.into_iter().map(|name| (name, Read { optional: true, listed: false })).collect()
}
