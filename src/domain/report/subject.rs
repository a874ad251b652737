//! The object of an attempt.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::status::ResolvedStore,
    domain::{audit::Principal, schedule::uptime::Uptime},
};

/// The object of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Name of the object.
    pub name: &'a str,
    /// uid of the object.
    pub uid: &'a str,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// Its store.
    pub store: &'a ResolvedStore,
    /// Name of its Secret.
    pub secret: &'a str,
    /// Value of the sync annotation.
    pub sync: Option<&'a str>,
    /// Its polling interval; `None` for no polling.
    pub interval: Option<Duration>,
    /// Whether it has workloads to restart.
    pub has_workloads: bool,
    /// Who reads its parameters, if the store is open.
    pub principal: Option<&'a Principal>,
    /// Whether somebody else changed its status.
    pub is_status_contradicted: bool,
    /// Wall-clock time after the attempt.
    pub now: Timestamp,
    /// The same time, monotonic.
    pub uptime: Uptime,
}
