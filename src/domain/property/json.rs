//! JSON: what is taken out of a value is what was written into it.

use std::{collections::BTreeSet, fmt::Write};

use secrecy::ExposeSecret;

use crate::domain::property::{CANARY, parameter_ref};
use crate::{
    api::Format,
    domain::{
        plan::{
            name_filter::NameFilter,
            types::{FieldSource, Place, Source},
        },
        secret::{content::Content, extract, json},
    },
    random::Random,
};

const NUMBERS: &[&str] = &["0", "-0", "7", "12345678901234567890123", "1.10", "100.00", "1e2", "-1.5E-7", "0.1e+3"];
const SPACES: &[&str] = &["", "", "", " ", "\n", "\t \r\n"];
const NAMES: &[&str] = &["a", "b", "é", "'", "\"", "\\", "\n", "/", "💥", "\u{1}", "*", "..", "$", "[", "]", " "];
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
    "true",
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
    "$",
    ".",
    "..",
    "*",
    "a",
    "['a']",
    "[\"a\"]",
    "[0]",
    "[-1]",
    "[1:]",
    "[::-1]",
    "[::0]",
    "[?",
    "@",
    "@.a",
    "==",
    "<",
    "'a'",
    "1",
    "]",
    "(",
    ")",
    "&&",
    "||",
    "!",
    "length(@.a)",
    "count(@.*)",
    "match(@.a, 'a.*')",
    "search(@, '[')",
    ",",
    "[9007199254740991]",
    "[-9007199254740991:9007199254740991:-9007199254740991]",
    "value(@..a)",
    " ",
    "é",
    "'",
    "\\",
];

/// A text as a JSON string, each character in one of the ways that it may be written.
pub(crate) fn string(random: &mut Random, text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.chars() {
        let short = "\"\\/\n\r\t".find(character).map(|at| &"\"\\/nrt"[at..=at]);
        match short {
            Some(short) if random.one_in(2) => write!(written, "\\{short}").expect("a string"),
            None if character >= ' ' && !random.one_in(4) => written.push(character),
            _ => {
                let units = character.encode_utf16(&mut [0; 2]).to_vec();
                for unit in units {
                    write!(written, "\\u{unit:04x}").expect("a string");
                }
            }
        }
    }
    written + "\""
}

/// A value: its JSON text, and what a key gets of it.
fn value(random: &mut Random, depth: u64) -> (String, String) {
    let same = |text: String| (text.clone(), text);
    match random.below(if depth == 0 { 6 } else { 8 }) {
        0..=2 => {
            let text = if random.one_in(2) { random.any_text(6) } else { random.text(NAMES, 4) };
            (string(random, &text), text)
        }
        3 | 4 => same(random.of(NUMBERS).into()),
        5 => same(random.of(&["null", "true", "false"]).into()),
        6 => {
            let items: Vec<_> = (0..random.below(4)).map(|_| value(random, depth - 1).0).collect();
            same(format!("[{}{}]", random.of(SPACES), items.join(random.of(&[",", " , ", ",\n"]))))
        }
        _ => same(object(random, depth - 1).0),
    }
}

/// The name, and what a key gets.
type Fields = Vec<(String, String)>;

fn object(random: &mut Random, depth: u64) -> (String, Fields) {
    let (mut text, mut fields, mut names) = (String::new(), Fields::new(), BTreeSet::new());
    for _ in 0..random.below(6) {
        let name = random.text(NAMES, 3);
        if !names.insert(name.clone()) {
            continue;
        }
        let (written, content) = value(random, depth);
        let comma = if fields.is_empty() { "" } else { "," };
        let mut space = || random.of(SPACES);
        let (one, two, three, four) = (space(), space(), space(), space());
        let name_written = string(random, &name);
        write!(text, "{comma}{one}{name_written}{two}:{three}{written}{four}").expect("a string");
        fields.push((name, content));
    }
    (format!("{{{}{text}}}", random.of(SPACES)), fields)
}

/// A path to a field, in either kind of quotes.
fn path_to(random: &mut Random, name: &str) -> String {
    let quote = random.of(&['\'', '"']);
    let mut path = format!("$[{quote}");
    for character in name.chars() {
        match character {
            '\n' => path.push_str("\\n"),
            control @ '\0'..' ' => write!(path, "\\u{:04x}", u32::from(control)).expect("a string"),
            special if special == quote || special == '\\' => path.extend(['\\', special]),
            other => path.push(other),
        }
    }
    format!("{path}{quote}]")
}

fn found_fields(text: &str) -> Result<Fields, String> {
    let fields = json::fields(text)?.into_iter();
    Ok(fields.map(|(name, content)| (name, content.expose_secret().to_owned())).collect())
}

#[test]
fn fields_are_what_was_written_and_a_path_finds_the_same() {
    let random = &mut Random::new(9);
    for round in 0..2_500 {
        let (mut text, mut fields) = object(random, 3);
        if round % 50 == 0 {
            let deep = format!("{}7{}", "[".repeat(100), "]".repeat(100));
            text = format!("{{\"deep\": {deep}}}");
            fields = vec![("deep".to_owned(), deep)];
        }
        assert_eq!(found_fields(&text).as_ref(), Ok(&fields), "{text}");
        for (name, content) in &fields {
            let path = path_to(random, name);
            assert_eq!(json::check_path(&path), Ok(()), "{path}");
            let found = json::find(&text, &path).map(|found| found.expose_secret().to_owned());
            assert_eq!(found.as_ref(), Ok(content), "{path} in {text}");
        }
    }
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let random = &mut Random::new(10);
    for _ in 0..500 {
        let (text, fields) = object(random, 1);
        let Some((name, _)) = fields.first() else { continue };
        let again = string(random, name);
        let text = format!("{},{again}:1}}", text.strip_suffix('}').expect("an object"));
        let place = format!("(field {})", fields.len() + 1);
        assert!(found_fields(&text).is_err_and(|problem| problem.contains(&place)), "{text}");
        let path = path_to(random, name);
        assert!(
            json::find(&text, &path).is_err_and(|problem| problem.contains("same field twice")),
            "{path} in {text}"
        );
    }
}

/// Whatever value and path are, there is an answer, and no message quotes the value.
#[test]
fn no_message_holds_a_part_of_a_value() {
    let random = &mut Random::new(11);
    let (mut found, mut failed) = (0, 0);
    for _ in 0..12_000 {
        let text = match random.below(3) {
            0 => random.text(GARBAGE, 12),
            1 => object(random, 2).0.replace('7', CANARY),
            _ => format!(r#"{{"a": {}, "{CANARY}": ["{CANARY}", {{"a": "{CANARY}"}}, 1]}}"#, random.text(GARBAGE, 1)),
        };
        let path = format!("${}", random.text(PATHS, 6));
        let value = text.clone().into();
        let source = Source::of(Place::DataFrom(0), parameter_ref("/x"));
        let from =
            FieldSource { source: source.clone(), format: Format::Json, filter: NameFilter::default(), mapping: None };
        let by_name = extract::fields(&from, Content::Value(&value)).map(drop);
        let is_path = json::check_path(&path).is_ok();
        let source = Source { json_path: Some(path.clone()), ..source };
        let by_path = if is_path { extract::part(&source, Content::Value(&value)).map(drop) } else { Ok(()) };
        found += usize::from(is_path && by_path.is_ok());
        for fault in [by_name, by_path].into_iter().filter_map(Result::err) {
            assert!(!fault.message.contains(CANARY), "{text} {path}: {}", fault.message);
            failed += 1;
        }
    }
    assert!(found > 100 && failed > 1_000, "{found} found, {failed} failed");
}
