//! What an object watches.

use std::{collections::BTreeMap, time::Duration};

use crate::domain::parameter::{name::ParameterRef, path_query::PathQuery};
use crate::parameters::port::ReadMode;

/// Namespace and name of an object that watches parameters.
pub(crate) type Subscriber = (String, String);

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
    /// Names, and how each is watched.
    pub(crate) names: BTreeMap<ParameterRef, WatchOptions>,
    /// Paths, and how often each is listed. `None`: never.
    pub(crate) paths: BTreeMap<PathQuery, Option<Duration>>,
}
