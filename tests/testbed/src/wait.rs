//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// Short enough that a test never idles, long enough that asking does not slow down what is waited for.
const INTERVAL: Duration = Duration::from_millis(50);

/// Asks `check` until it answers with a value, for `timeout` at most.
///
/// `Ok(None)` means "not yet". So does an error, because most conditions are asked of something that is still coming
/// up; the last error is told when time is up. `what` completes the sentence "timed out waiting for ...".
pub async fn eventually<T>(
    what: &str,
    timeout: Duration,
    mut check: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        let last_error = match tokio::time::timeout(timeout, check()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some(error),
            Err(elapsed) => Some(elapsed.into()),
        };
        if Instant::now() >= deadline {
            let message = format!("timed out after {timeout:?} waiting for {what}");
            return Err(match last_error {
                Some(error) => error.context(message),
                None => anyhow!(message),
            });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
