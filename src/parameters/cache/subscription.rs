//! What an object watches.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::api::SharedText;
use crate::domain::{
    audit::ObjectRef,
    parameter::{name::ParameterRef, path_query::PathQuery},
};
use crate::parameters::port::ReadMode;

/// An object that watches parameters. Shared, since it is remembered with each of them.
pub(crate) type Subscriber = Arc<SubscriberKey>;

/// Identifies an object that watches parameters. One that is created again under the same name is another one.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SubscriberKey {
    /// Its namespace.
    pub(crate) namespace: SharedText,
    /// Its name.
    pub(crate) name: SharedText,
    /// Its uid.
    pub(crate) uid: SharedText,
}

impl SubscriberKey {
    /// Returns an object as a subscriber.
    pub(crate) fn of(object: &ObjectRef) -> Subscriber {
        let namespace = object.namespace.clone().unwrap_or_default();
        Arc::new(Self { namespace, name: object.name.clone(), uid: object.uid.clone() })
    }
}

/// How an object watches a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchOptions {
    /// How often the version is checked. `None`: never.
    pub(crate) interval: Option<Duration>,
    /// How often the value is decrypted again although it did not change. `None`: never.
    pub(crate) revalidate: Option<Duration>,
    /// How the value is decrypted.
    pub(crate) mode: ReadMode,
}

/// Everything that an object watches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// Names in order, and how each is watched.
    pub(crate) names: Box<[(ParameterRef, WatchOptions)]>,
    /// Paths, and how often each is listed. `None`: never.
    pub(crate) paths: BTreeMap<PathQuery, Option<Duration>>,
}

impl Subscription {
    /// Returns the names in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ParameterRef> {
        self.names.iter().map(|(name, _)| name)
    }

    /// Reports whether a name is among those that are watched.
    pub(crate) fn has_name(&self, name: &ParameterRef) -> bool {
        self.names.binary_search_by(|(watched, _)| watched.cmp(name)).is_ok()
    }
}
