//! Warnings about KMS keys that cannot be used.

use std::collections::BTreeMap;

use crate::domain::parameter::key::{KeyState, ParameterKeys};

/// The keys that cannot be used, each once, with a sentence about it.
pub(crate) fn key_warnings(keys: &ParameterKeys) -> impl Iterator<Item = (&KeyState, String)> {
    let states: BTreeMap<_, _> = keys.values().filter_map(|key| key.state.as_ref()).map(|s| (&s.arn, s)).collect();
    states.into_values().filter_map(|state| Some((state, state.warning()?)))
}
