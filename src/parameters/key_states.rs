//! What KMS said about each key. Pure; time is an argument.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::domain::parameter::key::KeyState;

/// How long a response of `DescribeKey` is reused.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The last response of `DescribeKey` for each key.
#[derive(Debug, Default)]
pub(crate) struct KeyStates(HashMap<String, Described>);

/// A response of `DescribeKey`.
#[derive(Debug)]
pub(crate) struct Described {
    at: Instant,
    /// The failure that made the client describe the key. Empty if there was none.
    failure: String,
    /// The state of the key. `None` if the call failed.
    pub(crate) state: Option<KeyState>,
}

impl KeyStates {
    /// Returns a response that is recent enough to be reused. A new `failure` needs a new response, since the state of
    /// the key has probably changed.
    pub(crate) fn recent(&self, key: &str, failure: &str, now: Instant) -> Option<&Described> {
        let described = self.0.get(key)?;
        let is_recent = now.saturating_duration_since(described.at) < MAX_AGE;
        (is_recent && (failure.is_empty() || described.failure == failure)).then_some(described)
    }

    /// Stores a response, also under the ARN of the key, because AWS errors name keys by their ARN.
    pub(crate) fn insert(&mut self, key: &str, failure: &str, state: Option<&KeyState>, now: Instant) {
        for name in [Some(key), state.map(|state| state.arn.as_str())].into_iter().flatten() {
            let described = Described { at: now, failure: failure.to_owned(), state: state.cloned() };
            self.0.insert(name.to_owned(), described);
        }
    }

    /// Reports whether a call of `DescribeKey` was made for a key.
    pub(crate) fn is_described(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns the last known state of a key, however old.
    pub(crate) fn last(&self, key: &str) -> Option<KeyState> {
        self.0.get(key)?.state.clone()
    }

    /// Removes the response for a key, under both its names.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(state) = self.0.remove(key).and_then(|described| described.state) {
            self.0.remove(&state.arn);
        }
    }
}
