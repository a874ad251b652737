//! From names of fields and parameters to keys of a Secret.

use crate::{
    api::{KeyMapping, KeyStyle},
    domain::steps,
};

/// Longest key of a Secret, in characters (validation of the Kubernetes API).
const LONGEST: usize = 253;

/// Returns the key that a name becomes; `None` if that cannot be a key of a Secret. With style `EnvVar`, the key is a name
/// that every shell can use (POSIX, "Environment Variables": letters, digits and `_`, not beginning with a digit).
pub(crate) fn key(name: &str, mapping: Option<&KeyMapping>) -> Option<String> {
    steps::count(name.len());
    let style = mapping.and_then(|mapping| mapping.style).unwrap_or_default();
    let prefix = mapping.and_then(|mapping| mapping.prefix.as_deref()).unwrap_or_default();
    let key = match style {
        KeyStyle::AsIs => format!("{prefix}{}", name.replace('/', ".")),
        KeyStyle::EnvVar => variable(prefix, name),
    };
    (!name.is_empty() && is_key(&key)).then_some(key)
}

fn variable(prefix: &str, name: &str) -> String {
    let allowed = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let name = name.chars().map(|character| allowed(character).to_ascii_uppercase());
    let key: String = prefix.chars().map(allowed).chain(name).collect();
    if key.starts_with(|first: char| first.is_ascii_digit()) { format!("_{key}") } else { key }
}

/// Reports whether the Kubernetes API takes this as a key of a Secret.
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
            |style, prefix: Option<&str>| KeyMapping { style: Some(style), prefix: prefix.map(str::to_owned) };
        for (name, mapping, expected) in [
            ("db/password", mapping(KeyStyle::AsIs, None), Some("db.password")),
            ("db/password", mapping(KeyStyle::EnvVar, None), Some("DB_PASSWORD")),
            ("db-pass.word", mapping(KeyStyle::EnvVar, Some("APP_")), Some("APP_DB_PASS_WORD")),
            ("1password-key", mapping(KeyStyle::EnvVar, None), Some("_1PASSWORD_KEY")),
            ("1password-key", mapping(KeyStyle::EnvVar, Some("APP_")), Some("APP_1PASSWORD_KEY")),
            ("a", mapping(KeyStyle::EnvVar, Some("2nd-")), Some("_2nd_A")),
            ("1a", mapping(KeyStyle::AsIs, None), Some("1a")),
            ("straße", mapping(KeyStyle::EnvVar, None), Some("STRA_E")),
            ("straße", mapping(KeyStyle::AsIs, None), None),
            ("a b", mapping(KeyStyle::AsIs, None), None),
            ("", mapping(KeyStyle::AsIs, Some("x")), None),
            (".", mapping(KeyStyle::AsIs, None), None),
            ("..data", mapping(KeyStyle::AsIs, None), None),
            ("..data", mapping(KeyStyle::AsIs, Some("a")), Some("a..data")),
        ] {
            assert_eq!(key(name, Some(&mapping)).as_deref(), expected, "{name} {mapping:?}");
        }
        assert_eq!(key("a", None).as_deref(), Some("a"));
        assert_eq!(key(&"x".repeat(254), None), None);
    }
}
