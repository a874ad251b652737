//! When to retry an object whose status could not be written: with exponential backoff, so that an API server in
//! trouble is not flooded.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

/// First delay. Doubles with each failure in a row.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Kind, namespace and name of an object.
type Key = (String, Option<String>, String);

/// Failures in a row by object. Holds only objects that exist and whose last status write failed.
#[derive(Debug, Default)]
pub(crate) struct StatusRetries {
    failures: Mutex<HashMap<Key, u32>>,
}

impl StatusRetries {
    /// Forgets the failures of an object whose status was written, or that was deleted.
    pub(crate) fn forget(&self, kind: &str, namespace: Option<&str>, name: &str) {
        let mut failures = self.failures.lock();
        if !failures.is_empty() {
            failures.remove(&key(kind, namespace, name));
        }
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, kind: &str, namespace: Option<&str>, name: &str) {
        let mut failures = self.failures.lock();
        let count = failures.entry(key(kind, namespace, name)).or_default();
        *count = count.saturating_add(1);
    }

    /// Returns the delay before the next attempt.
    pub(crate) fn delay(&self, kind: &str, namespace: Option<&str>, name: &str) -> Duration {
        let count = self.failures.lock().get(&key(kind, namespace, name)).copied().unwrap_or_default();
        let factor = 1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX);
        FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY)
    }
}

fn key(kind: &str, namespace: Option<&str>, name: &str) -> Key {
    (kind.to_owned(), namespace.map(str::to_owned), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_minute_and_starts_over_after_a_success() {
        let retries = StatusRetries::default();
        let delays: Vec<_> = (0..8)
            .map(|_| {
                retries.failed("SecureParameter", Some("shop"), "db");
                retries.delay("SecureParameter", Some("shop"), "db").as_secs()
            })
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retries.delay("SecureParameter", Some("shop"), "other"), FIRST_DELAY);
        retries.forget("SecureParameter", Some("shop"), "db");
        retries.failed("SecureParameter", Some("shop"), "db");
        assert_eq!(retries.delay("SecureParameter", Some("shop"), "db"), FIRST_DELAY);
    }
}
