//! From names of fields and parameters to keys of a Secret.

use crate::api::{KeyFormat, KeyMapping};

/// Longest key of a Secret, in characters (validation of the Kubernetes API).
const LONGEST: usize = 253;

/// The key that a name becomes. None if that is no key of a Secret.
pub fn key(name: &str, mapping: Option<&KeyMapping>) -> Option<String> {
    let format = mapping.and_then(|mapping| mapping.format).unwrap_or_default();
    let prefix = mapping.and_then(|mapping| mapping.prefix.as_deref()).unwrap_or_default();
    let mapped = |character: char| match format {
        KeyFormat::Name if character == '/' => '.',
        KeyFormat::Name => character,
        KeyFormat::EnvVar if character.is_ascii_alphanumeric() => character.to_ascii_uppercase(),
        KeyFormat::EnvVar => '_',
    };
    let key: String = prefix.chars().chain(name.chars().map(mapped)).collect();
    (!name.is_empty() && is_key(&key)).then_some(key)
}

/// Whether the Kubernetes API takes this as a key of a Secret.
fn is_key(key: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
    key.len() <= LONGEST && key.chars().all(is_allowed) && !key.starts_with("..") && key != "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys() {
        let mapping =
            |format, prefix: Option<&str>| KeyMapping { format: Some(format), prefix: prefix.map(str::to_owned) };
        for (name, mapping, expected) in [
            ("db/password", mapping(KeyFormat::Name, None), Some("db.password")),
            ("db/password", mapping(KeyFormat::EnvVar, None), Some("DB_PASSWORD")),
            ("db-pass.word", mapping(KeyFormat::EnvVar, Some("APP_")), Some("APP_DB_PASS_WORD")),
            ("straße", mapping(KeyFormat::EnvVar, None), Some("STRA_E")),
            ("straße", mapping(KeyFormat::Name, None), None),
            ("a b", mapping(KeyFormat::Name, None), None),
            ("", mapping(KeyFormat::Name, Some("x")), None),
            (".", mapping(KeyFormat::Name, None), None),
            ("..data", mapping(KeyFormat::Name, None), None),
            ("..data", mapping(KeyFormat::Name, Some("a")), Some("a..data")),
        ] {
            assert_eq!(key(name, Some(&mapping)).as_deref(), expected, "{name} {mapping:?}");
        }
        assert_eq!(key("a", None).as_deref(), Some("a"));
        assert_eq!(key(&"x".repeat(254), None), None);
    }
}
