//! Globs, as their documentation has them.

use crate::{domain::access::glob::compile, random::Random};

const SEGMENTS: &[&str] = &["a", "b", "ab", "*", "*", "**", "**", "?", "a*", "*b", "?*", "a**", "**b", "***", "a?b"];
const NAMES: &[&str] = &["a", "b", "ab", "aab", "x", "-"];

/// Whether a glob matches a name. By segments: `**` stands for any number of them, at the end for at least one.
pub(crate) fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<_>, Vec<_>) = (glob.split('/').collect(), name.split('/').collect());
    segments(&glob, &name)
}

fn segments(glob: &[&str], name: &[&str]) -> bool {
    match glob {
        [] => name.is_empty(),
        ["**"] => !name.is_empty(),
        ["**", rest @ ..] => (0..=name.len()).any(|skipped| segments(rest, &name[skipped..])),
        [first, rest @ ..] => match name {
            [] => false,
            [one, others @ ..] => characters(first.as_bytes(), one.as_bytes()) && segments(rest, others),
        },
    }
}

/// Whether a segment matches, character by character.
fn characters(glob: &[u8], name: &[u8]) -> bool {
    match (glob, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| characters(rest, &name[skipped..])),
        ([b'?', rest @ ..], [_, others @ ..]) => characters(rest, others),
        ([one, rest @ ..], [other, others @ ..]) => one == other && characters(rest, others),
        (_, []) => false,
    }
}

/// Segments with slashes between them.
pub(crate) fn path(random: &mut Random, segments: &[&str], most: u64) -> String {
    let count = 1 + random.below(most);
    (0..count).map(|_| random.of(segments)).collect::<Vec<_>>().join("/")
}

pub(crate) fn glob(random: &mut Random) -> String {
    path(random, SEGMENTS, 4)
}

pub(crate) fn name(random: &mut Random) -> String {
    path(random, NAMES, 4)
}

#[test]
fn globs_match_what_the_model_matches() {
    let random = &mut Random::new(3);
    let mut matched = 0;
    for _ in 0..1_500 {
        let glob = random.of(&["", "", "/"]).to_owned() + &glob(random);
        let compiled = compile(&glob).expect(&glob);
        for _ in 0..30 {
            let name = random.of(&["", "", "/"]).to_owned() + &name(random);
            let expected = matches(&glob, &name);
            matched += usize::from(expected);
            assert_eq!(compiled.is_match(&name), expected, "{glob} {name}");
        }
    }
    assert!(matched > 3_000, "only {matched} matches");
}

/// Whatever a person writes is a glob or told to be none.
#[test]
fn any_text_is_a_glob_or_none() {
    let random = &mut Random::new(4);
    for _ in 0..1_200 {
        let text = match random.below(2) {
            0 => random.any_text(10),
            _ => random.text(&["*", "**", "?", "[", "]", "[!", "^", "-", "a", "z", "/", "\\", "{", "}", ",", "é"], 10),
        };
        match compile(&text) {
            Ok(glob) => {
                assert!(!text.contains(['{', '}']), "{text}");
                let _ = glob.is_match(&text);
            }
            Err(problem) => assert!(problem.contains(&text), "{problem}"),
        }
    }
}
