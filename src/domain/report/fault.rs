//! Faults: why an object is not as it should be, in words for a person.

use crate::api::Reason;

/// A failure of one object: a reason from the closed list and one sentence that names the next step. Never holds a
/// value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Reason from the closed list.
    pub reason: Reason,
    /// One sentence: what happened, to what, what to do.
    pub message: String,
}

impl Fault {
    /// Makes a fault.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}
