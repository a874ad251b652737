//! Whether AWS accepts the credentials of a reader.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Shortest time between two checks of the same credentials. AWS may accept them for one service and refuse them for
/// another, which must not cause a check for every refused call.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// The health of the credentials of one reader.
#[derive(Debug)]
pub(crate) struct CredentialHealth(Mutex<State>);

#[derive(Debug)]
struct State {
    refused: bool,
    checked_at: Instant,
}

impl Default for CredentialHealth {
    fn default() -> Self {
        Self(Mutex::new(State { refused: false, checked_at: Instant::now() }))
    }
}

impl CredentialHealth {
    /// Records that AWS refused the credentials.
    pub(crate) fn mark_refused(&self) {
        self.0.lock().refused = true;
    }

    /// Records that AWS accepted the credentials in a check.
    pub(crate) fn mark_accepted(&self) {
        *self.0.lock() = State { refused: false, checked_at: Instant::now() };
    }

    /// Returns the time until the credentials should be checked: zero if a check is due, `None` if AWS has not refused
    /// them since the last check.
    pub(crate) fn check_due_in(&self) -> Option<Duration> {
        let state = self.0.lock();
        state.refused.then(|| CHECK_INTERVAL.saturating_sub(state.checked_at.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_checked_once_in_ten_seconds() {
        let health = CredentialHealth::default();
        assert_eq!(health.check_due_in(), None);
        health.mark_refused();
        assert_eq!(health.check_due_in(), Some(CHECK_INTERVAL));
        advance(CHECK_INTERVAL).await;
        assert_eq!(health.check_due_in(), Some(Duration::ZERO));
        health.mark_accepted();
        assert_eq!(health.check_due_in(), None);
    }
}
