//! Globs match what their documentation says.

use std::cell::Cell;

use proptest::{
    collection::vec,
    prelude::{Strategy, prop_oneof},
    sample::select,
};

use crate::domain::{
    access::glob::compile,
    property_tests::{check, concatenation, text},
};

pub(super) const GLOB_SEGMENTS: &[&str] =
    &["a", "b", "ab", "*", "*", "**", "**", "?", "a*", "*b", "?*", "a**", "**b", "***", "a?b", "é*", "ß?"];
pub(super) const NAME_SEGMENTS: &[&str] = &["a", "b", "ab", "aab", "x", "-", "é", "ßé"];
const SYNTAX: &[&str] = &["*", "**", "?", "[", "]", "[!", "^", "-", "a", "z", "/", "\\", "{", "}", ",", "é"];

/// Model: matches segment by segment; `**` stands for any number of segments, at the end for at least one.
pub(super) fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<_>, Vec<_>) = (glob.split('/').collect(), name.split('/').collect());
    segments_match(&glob, &name)
}

fn segments_match(glob: &[&str], name: &[&str]) -> bool {
    match (glob, name) {
        ([], _) => name.is_empty(),
        (["**"], _) => !name.is_empty(),
        (["**", rest @ ..], _) => (0..=name.len()).any(|skipped| segments_match(rest, &name[skipped..])),
        ([first, rest @ ..], [one, others @ ..]) => {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            characters_match(&characters(first), &characters(one)) && segments_match(rest, others)
        }
        (_, []) => false,
    }
}

fn characters_match(glob: &[char], name: &[char]) -> bool {
    match (glob, name) {
        ([], _) => name.is_empty(),
        (['*', rest @ ..], _) => (0..=name.len()).any(|skipped| characters_match(rest, &name[skipped..])),
        (['?', rest @ ..], [_, others @ ..]) => characters_match(rest, others),
        ([one, rest @ ..], [other, others @ ..]) => one == other && characters_match(rest, others),
        (_, []) => false,
    }
}

/// Generates one to so many segments with slashes between them.
pub(super) fn path(segments: &'static [&'static str], most: usize) -> impl Strategy<Value = String> + Clone {
    vec(select(segments), 1..=most).prop_map(|segments| segments.join("/"))
}

#[test]
fn a_glob_matches_what_the_model_matches() {
    let matched = Cell::new(0);
    let rooted =
        |segments| (select(&["", "", "/"][..]), path(segments, 4)).prop_map(|(root, path)| root.to_owned() + &path);
    check(900, (rooted(GLOB_SEGMENTS), vec(rooted(NAME_SEGMENTS), 20)), |(glob, names)| {
        let compiled = compile(&glob).expect("a glob");
        for name in names {
            let expected = matches(&glob, &name);
            matched.set(matched.get() + u32::from(expected));
            assert_eq!(compiled.is_match(&name), expected, "{name}");
        }
    });
    assert!(matched.get() > 1_000, "only {} matches", matched.get());
}

#[test]
fn any_text_is_a_glob_or_is_refused_with_its_text() {
    check(600, prop_oneof![text(10), concatenation(SYNTAX, 10)], |text| match compile(&text) {
        Ok(glob) => {
            assert!(!text.contains(['{', '}', '[', ']']));
            let _ = glob.is_match(&text);
        }
        Err(problem) => assert!(problem.contains(&text), "{problem}"),
    });
}
