//! What AWS says against credentials.

use crate::domain::aws_error::{AwsError, AwsErrorKind};

/// What AWS said against credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// They are not valid, or not any more.
    Invalid,
    /// A policy of their role denies a call explicitly. IAM revokes the sessions of a role by such a deny for all that are
    /// older, so new ones are not denied.
    Denied,
}

impl Refusal {
    /// Returns what an error says against the credentials of the call. `None` if it says nothing.
    pub(crate) fn of(error: &AwsError) -> Option<Self> {
        match error.kind {
            AwsErrorKind::CredentialsInvalid if !error.is_clock_skew() => Some(Self::Invalid),
            AwsErrorKind::AccessDenied | AwsErrorKind::DecryptDenied if error.is_denied_by_own_policy() => {
                Some(Self::Denied)
            }
            _ => None,
        }
    }
}
