//! Waits for a condition instead of for a fixed time.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// Time between two checks. Checks in a tight loop would slow down what they wait for.
const INTERVAL: Duration = Duration::from_millis(50);

/// Calls `check` until it returns a value, and returns that value. Fails after `timeout`.
///
/// `Ok(None)` means "not yet". An error means the same, because the checked program may still be starting; the error of
/// the last check is part of the final error. `what` completes the sentence "timed out waiting for ...".
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
