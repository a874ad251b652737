//! Warnings about KMS keys that cannot be used.

use std::collections::BTreeMap;

use crate::domain::{
    parameter::{
        key::{KeyState, ParameterKeys},
        name::ParameterRef,
    },
    report::text::{list, shortened},
};

/// Parameters that a warning names. It leaves room for other sentences of the condition.
const NAMED: usize = 3;

/// The keys that cannot be used, each once, with a sentence about it and its parameters.
pub(crate) fn key_warnings(keys: &ParameterKeys) -> impl Iterator<Item = (&KeyState, String)> {
    let mut parameters: BTreeMap<&str, (&KeyState, Vec<&ParameterRef>)> = BTreeMap::new();
    for (parameter, key) in keys {
        if let Some(state) = &key.state {
            parameters.entry(&state.arn).or_insert_with(|| (state, Vec::new())).1.push(parameter);
        }
    }
    parameters.into_values().filter_map(|(state, parameters)| Some((state, state.warning(&names(&parameters))?)))
}

/// Reports whether a message shows a warning, or as much of it as it has room for.
pub(super) fn shows(message: &str, key: &KeyState, warning: &str) -> bool {
    let shown = message.find(&format!("KMS key {} ", key.arn)).map(|at| &message[at..]);
    shown.is_some_and(|shown| {
        shown.starts_with(warning) || shown.strip_suffix('…').is_some_and(|s| warning.starts_with(s))
    })
}

fn names(parameters: &[&ParameterRef]) -> String {
    let names = parameters.iter().take(NAMED).map(|parameter| shortened(&parameter.to_string()).into_owned());
    let names = list(&names.collect::<Vec<_>>());
    match parameters.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::{
        api::{Conditions, Reason},
        domain::parameter::{key::ParameterKey, scope::Scope},
    };

    fn warnings(states: &[(&str, &str, &str)]) -> Vec<(KeyState, String)> {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let key = |(name, arn, state): &(&str, &str, &str)| {
            let state = KeyState { arn: (*arn).into(), state: (*state).into(), ..KeyState::default() };
            (ParameterRef::new(name, None, &scope), ParameterKey { state: Some(state), ..ParameterKey::default() })
        };
        let keys = states.iter().map(key).collect();
        key_warnings(&keys).map(|(state, warning)| (state.clone(), warning)).collect()
    }

    #[test]
    fn a_warning_names_the_parameters_that_the_key_encrypts() {
        let old = "PendingDeletion";
        let found =
            warnings(&[("/a", "old", old), ("/b", "new", "Enabled"), ("/c", "old", old), ("/d", "x", "Disabled")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].1.starts_with("KMS key old of /a, /c is PendingDeletion"), "{}", found[0].1);
        assert!(found[1].1.starts_with("KMS key x of /d is Disabled"), "{}", found[1].1);
        let many = ["/a", "/b", "/c", "/d", "/e"].map(|name| (name, "old", old));
        assert!(warnings(&many)[0].1.contains("of /a, /b, /c and 2 more is"), "{:?}", warnings(&many));
    }

    /// Otherwise each comparison would make an Event of it.
    #[test]
    fn a_warning_that_was_cut_is_shown() {
        let warnings = warnings(&[("/a", "old", "Disabled"), ("/b", "older", "Disabled")]);
        let (key, warning) = &warnings[0];
        for (before, expected) in [(0, true), (900, true), (960, true), (1_100, false)] {
            let message = format!("{} {warning}", "x".repeat(before));
            let ready = Conditions::new(&[], None, Timestamp::UNIX_EPOCH).ready(Reason::Synced, &message);
            assert_eq!(shows(&ready[0].message, key, warning), expected, "{message}");
        }
        assert!(!shows(&warnings[1].1, key, warning) && !shows("", key, warning));
    }
}
