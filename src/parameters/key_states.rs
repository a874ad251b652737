//! What KMS said about each key. Pure; time is an argument.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::domain::parameter::key::KeyState;

/// How long a response of `DescribeKey` is reused.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Most names of keys that are kept. Keys in use are described again and again, so the oldest responses are of keys that
/// nobody uses any more.
const MAX_NAMES: usize = 2_000;

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
        while self.0.len() > MAX_NAMES {
            let oldest = self.0.iter().min_by_key(|(_, described)| described.at).map(|(name, _)| name.clone());
            oldest.map(|name| self.0.remove(&name));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_responses_give_way_to_new_ones() {
        let (mut states, start) = (KeyStates::default(), Instant::now());
        let at = |second: usize| start + Duration::from_secs(second as u64);
        for number in 0..MAX_NAMES {
            states.insert(&number.to_string(), "", None, at(number));
        }
        states.insert("0", "", None, at(MAX_NAMES));
        states.insert("new", "", None, at(MAX_NAMES));
        assert_eq!(states.0.len(), MAX_NAMES);
        let described = ["0", "1", "2", "new"].map(|key| states.is_described(key));
        assert_eq!(described, [true, false, true, true]);
    }
}
