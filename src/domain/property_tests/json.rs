//! JSON: what is read from a value is what was written into it.

use std::{cell::Cell, collections::BTreeSet, fmt::Write};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
};
use secrecy::ExposeSecret;

use crate::{
    api::Format,
    domain::{
        plan::types::Source,
        property_tests::{CANARY, check, concatenation, field_source, source, text},
        secret::{content::Content, fields::fields as keys_of, json, json_path, value_part::part},
    },
};

const LITERALS: &[&str] =
    &["null", "true", "false", "0", "-0", "7", "12345678901234567890123", "1.10", "100.00", "1e2", "-1.5E-7", "0.1e+3"];
const SPACES: &[&str] = &["", "", "", " ", "\n", "\t \r\n"];
const SPECIAL: &[&str] = &["a", "b", "é", "'", "\"", "\\", "\n", "/", "💥", "\u{1}", "*", "..", "$", "[", "]", " "];
const GARBAGE: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "\\u",
    "\\ud83d",
    "null",
    "1",
    "-",
    "1e999",
    "S3CR3T",
    "\"a\"",
    " ",
    "\"S3CR3T\"",
    "\"a\":",
    "{\"a\":1}",
    "é",
    "\0",
];
const PATHS: &[&str] = &[
    ".a",
    ".a",
    "['a']",
    "[\"a\"]",
    "[0]",
    "[-1]",
    "$",
    ".",
    "..",
    "*",
    "a",
    "[",
    "[1:]",
    "[?",
    "@",
    "'a'",
    "1",
    "]",
    "(",
    ")",
    "count(",
    "length(@.a)",
    ",",
    "[9007199254740991]",
    "[9007199254740992]",
    " ",
    "é",
    "'",
    "\\",
    "\\u0061",
    "-",
];

/// The text of an object, and per field its name and what a key gets of it.
type Object = (String, Vec<(String, String)>);

/// Writes a text as a JSON string. The styles choose, in turn, how a character is written.
pub(super) fn string(text: &str, styles: &[u8]) -> String {
    let mut written = String::from("\"");
    for (character, style) in text.chars().zip(styles.iter().cycle()) {
        let short = "\"\\/\n\r\t".find(character).map(|at| &"\"\\/nrt"[at..=at]);
        match short {
            Some(short) if style % 2 == 0 => write!(written, "\\{short}").expect("a string"),
            None if character >= ' ' && style % 4 != 0 => written.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(written, "\\u{unit:04x}").expect("a string");
                }
            }
        }
    }
    written + "\""
}

pub(super) fn styles() -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(any::<u8>(), 1..6)
}

/// Generates values: the JSON text, and what a key gets of it.
fn value() -> impl Strategy<Value = (String, String)> + Clone {
    let same = |text: String| (text.clone(), text);
    let string_value = (prop_oneof![text(6), concatenation(SPECIAL, 4)], styles())
        .prop_map(|(text, styles)| (string(&text, &styles), text));
    let leaf = prop_oneof![string_value, select(LITERALS).prop_map(move |text| same(text.to_owned()))];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let array = (vec(inner.clone(), 0..4), select(SPACES)).prop_map(move |(items, space)| {
            let items: Vec<_> = items.into_iter().map(|(text, _)| text).collect();
            same(format!("[{space}{}]", items.join(&format!("{space},"))))
        });
        prop_oneof![array, object_of(inner).prop_map(move |(text, _)| same(text))]
    })
}

fn object() -> impl Strategy<Value = Object> + Clone {
    object_of(value())
}

fn object_of(value: impl Strategy<Value = (String, String)> + Clone) -> impl Strategy<Value = Object> + Clone {
    let field = (concatenation(SPECIAL, 3), value, select(SPACES));
    (vec(field, 0..6), styles()).prop_map(|(candidates, styles)| {
        let (mut written, mut fields, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (name, (text, content), space) in candidates {
            if names.insert(name.clone()) {
                written.push(format!("{space}{}{space}:{text}{space}", string(&name, &styles)));
                fields.push((name, content));
            }
        }
        (format!("{{{}}}", written.join(",")), fields)
    })
}

/// Returns a path to a field, its name in single or double quotes.
fn path_to(name: &str, quote: char) -> String {
    let mut path = format!("$[{quote}");
    for character in name.chars() {
        match character {
            '\n' => path.push_str("\\n"),
            '\0'..' ' => write!(path, "\\u{:04x}", u32::from(character)).expect("a string"),
            special if special == quote || special == '\\' => path.extend(['\\', special]),
            other => path.push(other),
        }
    }
    format!("{path}{quote}]")
}

fn quote() -> impl Strategy<Value = char> {
    prop_oneof![Just('\''), Just('"')]
}

fn fields(text: &str) -> Result<Vec<(String, String)>, String> {
    let fields = json::fields(text)?.into_iter();
    Ok(fields.map(|(name, content)| (name, content.expose_secret().to_owned())).collect())
}

fn found(text: &str, path: &str) -> Result<String, String> {
    json_path::parse(path)?.find(text).map(|found| found.expose_secret().to_owned())
}

#[test]
fn a_field_and_its_path_give_the_content_to_the_letter() {
    check(800, (object(), quote()), |((text, expected), quote)| {
        assert_eq!(fields(&text).as_ref(), Ok(&expected));
        for (name, content) in &expected {
            let path = path_to(name, quote);
            assert_eq!(found(&text, &path).as_ref(), Ok(content), "{path}");
        }
    });
}

#[test]
fn a_duplicate_field_is_refused() {
    let object = object().prop_filter("an object with fields", |(_, fields)| !fields.is_empty());
    check(300, (object, styles(), quote()), |((text, fields_written), styles, quote)| {
        let (name, _) = &fields_written[0];
        let text = format!("{},{}:1}}", text.strip_suffix('}').expect("an object"), string(name, &styles));
        let place = format!("(field {})", fields_written.len() + 1);
        assert!(fields(&text).is_err_and(|problem| problem.contains(&place)), "{text}");
        let path = path_to(name, quote);
        assert!(found(&text, &path).is_err_and(|problem| problem.contains("same field twice")), "{path} in {text}");
    });
}

#[test]
fn no_message_holds_a_part_of_a_value() {
    let (found, failed) = (Cell::new(0), Cell::new(0));
    let beside = select(GARBAGE)
        .prop_map(|piece| format!(r#"{{"a": {piece}, "{CANARY}": ["{CANARY}", {{"a": "{CANARY}"}}, 1]}}"#));
    let text =
        prop_oneof![concatenation(GARBAGE, 12), object().prop_map(|(text, _)| text.replace('7', CANARY)), beside];
    check(3_000, (text, concatenation(PATHS, 4)), |(text, path)| {
        let value = text.into();
        let from = field_source(0, "/x", Format::Json, None);
        let mut results = vec![keys_of(&from, Content::Value(&value)).map(drop)];
        if let Ok(path) = json_path::parse(&format!("${path}")) {
            let source = Source { json_path: Some(path), ..source("K", "/x") };
            let result = part(&source, Content::Value(&value)).map(drop);
            found.set(found.get() + u32::from(result.is_ok()));
            results.push(result);
        }
        for fault in results.into_iter().filter_map(Result::err) {
            assert!(!fault.message.contains(CANARY), "{}", fault.message);
            failed.set(failed.get() + 1);
        }
    });
    assert!(found.get() > 100 && failed.get() > 1_000, "{} found, {} failed", found.get(), failed.get());
}

#[test]
fn any_text_is_a_path_or_is_refused_with_a_spelling_that_is_one() {
    check(3_000, prop_oneof![text(10), concatenation(PATHS, 8)], |text| match json_path::parse(&format!("${text}")) {
        Ok(path) => assert_eq!(path.to_string(), format!("${text}")),
        Err(problem) => {
            if let Some((_, spelling)) = problem.split_once(": write $") {
                assert!(json_path::parse(&format!("${spelling}")).is_ok(), "{problem}");
            }
        }
    });
}
