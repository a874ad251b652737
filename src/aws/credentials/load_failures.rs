//! Failures to load credentials. Many calls may want the same ones, and each would ask the source.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use tokio::time::Instant;

use crate::domain::aws_error::AwsError;

/// How long the failure to load credentials stands, from the second one in a row. Many calls may want the same credentials.
const HOLD: Duration = Duration::from_secs(5);

/// The failures in a row to load what a call needs.
#[derive(Debug, Default)]
pub(super) struct LoadFailures {
    count: usize,
    /// The last of them, until when it stands.
    last: Option<(AwsError, Instant)>,
}

impl LoadFailures {
    /// Returns the failure that still stands.
    pub(super) fn standing(&self) -> Option<CredentialsError> {
        let (error, until) = self.last.as_ref().filter(|_| self.count > 1)?;
        (Instant::now() < *until).then(|| CredentialsError::provider_error(error.clone()))
    }

    /// Adds a failure.
    pub(super) fn add(&mut self, error: &CredentialsError) {
        self.count += 1;
        self.last = Some((AwsError::of_credentials(error), Instant::now() + HOLD));
    }
}
