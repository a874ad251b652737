//! Keys of a Secret.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    sample::select,
};

use crate::{
    api::{KeyMapping, KeyStyle},
    domain::{
        property_tests::{check, concatenation, text},
        secret::key_name::key,
    },
};

const PIECES: &[&str] =
    &["a", "B", "7", "/", ".", "..", "-", "_", " ", "é", "ß", "ǆ", "\u{130}", "\0", "\n", "💥", "xy"];
const VALID: &[&str] = &["a", "B", "7", "/", ".", "..", "-", "_"];
const PREFIXES: &[Option<&str>] = &[None, None, Some("APP_"), Some("."), Some("-"), Some("x.")];

/// Model: what the Kubernetes API accepts as a key (`IsConfigMapKey` of k8s.io/apimachinery).
fn is_accepted(key: &str) -> bool {
    let is_valid = |byte: u8| matches!(byte, b'-' | b'.' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9');
    (1..=253).contains(&key.len()) && key.bytes().all(is_valid) && key != "." && !key.starts_with("..")
}

/// Model: what the documentation of [`KeyStyle`] says.
fn model(name: &str, style: KeyStyle, prefix: &str) -> Option<String> {
    let key = match style {
        KeyStyle::AsIs => format!("{prefix}{}", name.replace('/', ".")),
        KeyStyle::EnvVar => {
            let key = format!("{prefix}{}", name.to_ascii_uppercase());
            let key = key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            if key.starts_with(|c: char| c.is_ascii_digit()) { format!("_{key}") } else { key }
        }
    };
    Some(key).filter(|key| !name.is_empty() && is_accepted(key))
}

fn name() -> impl Strategy<Value = String> {
    let long = concatenation(PIECES, 6).prop_map(|end| "/x.".repeat(83) + &end);
    prop_oneof![1 => long, 2 => text(8), 2 => concatenation(PIECES, 8), 7 => concatenation(VALID, 5)]
}

#[test]
fn a_key_is_what_the_documentation_says_and_kubernetes_accepts() {
    let style = prop_oneof![Just(KeyStyle::AsIs), Just(KeyStyle::EnvVar)];
    check(5_000, (name(), style, select(PREFIXES)), |(name, style, prefix)| {
        let mapping = KeyMapping { style: Some(style), prefix: prefix.map(str::to_owned) };
        let found = key(&name, Some(&mapping));
        assert_eq!(found, model(&name, style, prefix.unwrap_or_default()));
        let Some(found) = found else { return };
        assert!(is_accepted(&found), "{found}");
        let is_variable = found.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_variable = is_variable && !found.starts_with(|first: char| first.is_ascii_digit());
        assert!(is_variable || style == KeyStyle::AsIs, "{found}");
        if prefix.is_none() {
            assert_eq!(key(&found, Some(&mapping)).as_ref(), Some(&found), "mapping a key changes nothing");
        }
    });
}

#[test]
fn names_share_a_key_only_if_they_differ_in_slashes_alone() {
    check(30, (vec(name(), 200..400), select(PREFIXES)), |(names, prefix)| {
        let mapping = KeyMapping { style: None, prefix: prefix.map(str::to_owned) };
        let mut names_by_key = BTreeMap::new();
        for name in names {
            let Some(key) = key(&name, Some(&mapping)) else { continue };
            let dotted = name.replace('/', ".");
            let other = names_by_key.entry(key).or_insert_with(|| dotted.clone());
            assert_eq!(*other, dotted, "{name}");
        }
    });
}
