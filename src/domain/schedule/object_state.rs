//! What the operator remembers of a SecureParameter between reconciles. After a restart the status seeds it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::{SecureParameter, SecureParameterStatus, Sparse},
    domain::{
        ownership::drift::SecretSnapshot,
        parameter::name::ParameterRef,
        schedule::{history::History, restart::RestartState, uptime::Uptime},
    },
};

/// Parameters that Parameter Store decrypted although KMS was to do it, each with the reason.
pub(crate) type FallbackReasons = BTreeMap<ParameterRef, String>;

/// What is remembered of one object. Contains nothing derived from a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectState {
    /// The status that the object should show. The watch cache may be behind.
    pub status: Arc<SecureParameterStatus>,
    /// The last write of that status.
    pub status_write: StatusWrite,
    /// The Secret as last written or last found intact.
    pub secret: Option<SecretSnapshot>,
    /// Digests of what the spec made of the parameters at the last sync; `None` after a restart.
    pub shape: Option<Shape>,
    /// The fallbacks of the last read; `None` before the first one.
    pub fallbacks: Option<FallbackReasons>,
    /// What happened before.
    pub history: Sparse<History>,
}

/// Digests of what a spec makes of its parameters. They are comparable within one process only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Everything that shapes the Secret besides the parameters.
    pub secret: u64,
    /// What shapes its data.
    pub data: u64,
}

/// The last write of a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatusWrite {
    /// The object shows the status. Holds its resource version after the write; `None` if the operator did not write since
    /// it started.
    Written(Option<String>),
    /// The API server refused the status.
    Failed,
}

impl Default for StatusWrite {
    fn default() -> Self {
        Self::Written(None)
    }
}

impl ObjectState {
    /// Restores what a status records, after a restart of the operator.
    pub(crate) fn from_status(status: Arc<SecureParameterStatus>, now: Uptime) -> Self {
        let history = History { restart: RestartState::from_status(&status, now), ..History::default() };
        Self { status, history: history.into(), ..Self::default() }
    }

    /// Reports whether the object shows, after our last write, another status than the one written: somebody changed it.
    pub(crate) fn is_contradicted_by(&self, object: &SecureParameter) -> bool {
        let StatusWrite::Written(Some(written)) = &self.status_write else { return false };
        is_newer(object.metadata.resource_version.as_deref(), written)
            && object.status.as_deref() != Some(&*self.status)
    }
}

/// Reports whether the resource version that an object shows is newer than the one that was written.
pub(crate) fn is_newer(shown: Option<&str>, written: &str) -> bool {
    // Resource versions of one kind can be compared as numbers (Kubernetes API concepts, since 1.35).
    match (written.parse::<u64>(), shown.map(str::parse::<u64>)) {
        (Ok(written), Some(Ok(shown))) => shown > written,
        _ => false,
    }
}
