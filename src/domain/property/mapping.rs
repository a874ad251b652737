//! Keys of a Secret.

use std::collections::BTreeMap;

use crate::{
    api::{KeyMapping, KeyStyle},
    domain::secret::key_name::key,
    random::Random,
};

const PIECES: &[&str] =
    &["a", "B", "7", "/", ".", "..", "-", "_", " ", "é", "ß", "ǆ", "\u{130}", "\0", "\n", "💥", "xy"];
const PREFIXES: &[Option<&str>] = &[None, None, Some("APP_"), Some("."), Some("-"), Some("x.")];

/// What the Kubernetes API takes (`IsConfigMapKey` of k8s.io/apimachinery).
pub(crate) fn is_taken(key: &str) -> bool {
    let is_known = |byte: u8| matches!(byte, b'-' | b'.' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9');
    (1..=253).contains(&key.len()) && key.bytes().all(is_known) && key != "." && !key.starts_with("..")
}

/// What the documentation of [`KeyStyle`] says.
fn model(name: &str, format: KeyStyle, prefix: &str) -> Option<String> {
    let key = match format {
        KeyStyle::AsIs => format!("{prefix}{}", name.replace('/', ".")),
        KeyStyle::EnvVar => {
            let name = name.to_ascii_uppercase();
            let key = format!("{prefix}{name}").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            if key.starts_with(|c: char| c.is_ascii_digit()) { format!("_{key}") } else { key }
        }
    };
    Some(key).filter(|key| !name.is_empty() && is_taken(key))
}

fn name(random: &mut Random) -> String {
    match random.below(12) {
        0 => "/x.".repeat(83) + &random.text(PIECES, 6),
        1 | 2 => random.any_text(8),
        3 | 4 => random.text(PIECES, 8),
        _ => random.text(&PIECES[..8], 5),
    }
}

#[test]
fn keys_are_what_kubernetes_takes_and_what_the_documentation_says() {
    let random = &mut Random::new(1);
    for _ in 0..60_000 {
        let (name, format, prefix) =
            (name(random), random.of(&[KeyStyle::AsIs, KeyStyle::EnvVar]), random.of(PREFIXES));
        let mapping = KeyMapping { style: Some(format), prefix: prefix.map(str::to_owned) };
        let found = key(&name, Some(&mapping));
        assert_eq!(found, model(&name, format, prefix.unwrap_or_default()), "{name:?} {mapping:?}");
        let Some(found) = found else { continue };
        assert!(is_taken(&found), "{name:?} {mapping:?}: {found}");
        let is_variable = found.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let is_variable = is_variable && !found.starts_with(|first: char| first.is_ascii_digit());
        assert!(is_variable || format == KeyStyle::AsIs, "{name:?}: {found}");
        if prefix.is_none() {
            assert_eq!(key(&found, Some(&mapping)).as_ref(), Some(&found), "{name:?}: twice is once");
        }
    }
}

#[test]
fn names_share_a_key_only_if_slashes_are_all_that_differs() {
    let random = &mut Random::new(2);
    for prefix in PREFIXES {
        let mapping = KeyMapping { style: None, prefix: prefix.map(str::to_owned) };
        let mut names = BTreeMap::new();
        for _ in 0..5_000 {
            let name = name(random);
            let Some(key) = key(&name, Some(&mapping)) else { continue };
            let dotted = name.replace('/', ".");
            let other = names.entry(key).or_insert_with(|| dotted.clone());
            assert_eq!(*other, dotted, "{name}");
        }
        assert!(names.len() > 500, "only {} keys", names.len());
    }
}
