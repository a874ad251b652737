//! Why an object is not as it should be, in words for a person.

use crate::api::Reason;

/// A failure of one object: a reason from the closed list and one sentence that names the next step. Never holds a
/// value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// What happened, to what, what to do.
    pub message: String,
}

impl Fault {
    /// A fault with this reason and sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}
