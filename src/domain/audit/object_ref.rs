//! The object that an AWS call or a write is made for.

use serde::Serialize;

use crate::{api::SharedText, domain::schedule::decide::Purpose};

/// The object that a call was made for, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectRef {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its namespace; none for cluster stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<SharedText>,
    /// Its name.
    pub name: SharedText,
    /// Its uid.
    pub uid: SharedText,
    /// Name of the Secret that it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SharedText>,
    /// Why the call was made for it: the name of a [`Purpose`].
    pub reason: &'static str,
}

impl ObjectRef {
    /// Returns the same object with another reason.
    #[must_use]
    pub(crate) fn with_purpose(&self, purpose: Purpose) -> Self {
        Self { reason: purpose.as_str(), ..self.clone() }
    }
}
