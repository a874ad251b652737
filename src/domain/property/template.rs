//! Templates: whatever a tenant writes, over whatever values.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::property::CANARY;
use crate::{
    api::Reason,
    domain::{
        Fault,
        secret::{
            content::{Content, Data},
            template::{check, render},
        },
    },
    random::Random,
};

const GARBAGE: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{{-",
    "-%}",
    "if",
    "elif",
    "else",
    "endif",
    "for x in data",
    "set x = 1",
    "A",
    "J",
    "data",
    ".",
    "|",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "\\",
    "b64decode",
    "indent(3)",
    "9223372036854775808",
    "-",
    "+",
    "//",
    "%",
    "~",
    "==",
    "in",
    "is defined",
    "not",
    "loop",
    "self",
    "\n",
    "é",
    "\0",
    "raw",
    "macro m()",
    "*",
    " ",
    ",",
];
const VALUES: &[&str] =
    &["A", "J", "N", "B", "E", "data", "data['A']", "data.J", "NONE", "data.none", "A.x", "(J | fromjson)"];
const FILTERS: &[&str] = &[
    "b64encode",
    "b64decode",
    "urlencode",
    "tojson",
    "fromjson",
    "quote",
    "indent(2)",
    "indent(-1)",
    "indent(999)",
    "indent",
    "indent('x')",
    "upper",
    "b64encode(1)",
];
const OPERATORS: &[&str] =
    &["~", "+", "-", "/", "//", "%", "**", "==", "<", "in", "not in", "and", "or", "is defined ~", "if"];
const SUFFIXES: &[&str] = &[
    ".a", "['a']", "[0]", "[-1]", "[1:]", "[::-1]", "[::0]", "()", ".upper()", ".items()", "[A]", "[data]", "(A)",
    "[J:A]",
];
const UNICODE: &[&str] = &["a", " ", "é", "💥", "\"", "\\", "\n", "{{", "}}", "%", "/", "+", "\0", "<&>"];

type Rendered = Result<Vec<u8>, Fault>;

/// What a template makes of some values.
fn rendered(source: &str, values: &[(&str, SecretString)], bytes: &[u8]) -> Rendered {
    let mut data: Data<'_> = values.iter().map(|(key, value)| (Cow::Borrowed(*key), Content::Value(value))).collect();
    data.insert(Cow::Borrowed("B"), Content::Bytes(bytes.to_vec().into()));
    let templates = BTreeMap::from([("T".to_owned(), source.to_owned())]);
    check(&templates)?;
    render(&templates, &data).map(|rendered| rendered["T"].expose_secret().to_vec())
}

/// What a template makes of one text.
fn made(source: &str, text: &str) -> String {
    let made = rendered(source, &[("A", text.to_owned().into())], b"").expect(text);
    String::from_utf8(made).expect("a text")
}

/// Mostly what the parser takes.
fn expression(random: &mut Random, depth: u64) -> String {
    if depth == 0 {
        return random.of(VALUES).to_owned();
    }
    let inner = expression(random, depth - 1);
    match random.below(8) {
        0 | 1 => format!("{inner} | {}", random.of(FILTERS)),
        2 | 3 => format!("{inner} {} {}", random.of(OPERATORS), expression(random, depth - 1)),
        4 => format!("({inner}){}", random.of(SUFFIXES)),
        5 => format!("[{inner}, {}]", random.of(&["1", "-9223372036854775808", "1e308", "'x'", "none", "true"])),
        6 => format!("{{'a': {inner}, {}: 1 }}", random.of(VALUES)),
        _ => format!("{}({inner})", random.of(&["", "-", "not ", "A", "x"])),
    }
}

fn template(random: &mut Random) -> String {
    let depth = random.below(4);
    match random.below(5) {
        0 => random.text(GARBAGE, 16),
        1 => random.any_text(4) + "{{ " + &random.text(GARBAGE, 5) + " }}",
        2 => format!("{{% if {} %}}\n{{{{ A }}}}{{% endif %}}", expression(random, depth)),
        _ => format!("x {{{{ {} }}}}{}", expression(random, depth), random.of(&["", "\n", "{{ J }}"])),
    }
}

#[test]
fn no_message_holds_a_part_of_a_value() {
    let random = &mut Random::new(16);
    let json = format!(r#"{{"a": "{CANARY}", "{CANARY}": [1, "{CANARY}"], "n": 1e300}}"#);
    let values: Vec<(&str, SecretString)> =
        [("A", CANARY), ("J", &json), ("N", "7"), ("E", "")].map(|(key, value)| (key, value.to_owned().into())).into();
    let bytes = [b"\xff\0".as_slice(), CANARY.as_bytes()].concat();
    let (mut succeeded, mut failed) = (0, 0);
    for _ in 0..6_000 {
        let source = template(random);
        match rendered(&source, &values, &bytes) {
            Ok(_) => succeeded += 1,
            Err(fault) => {
                failed += 1;
                assert_eq!(fault.reason, Reason::TemplateError, "{source}: {}", fault.message);
                assert!(!fault.message.contains(CANARY), "{source}: {}", fault.message);
            }
        }
    }
    assert!(succeeded > 500 && failed > 500, "{succeeded} succeeded, {failed} failed");
}

#[test]
fn what_a_filter_makes_can_be_undone() {
    let random = &mut Random::new(17);
    for _ in 0..1_500 {
        let text = if random.one_in(2) { random.any_text(12) } else { random.text(UNICODE, 8) };
        for filters in ["b64encode | b64decode", "tojson | fromjson", "quote | fromjson", "indent(0)"] {
            assert_eq!(made(&format!("{{{{ A | {filters} }}}}"), &text), text, "{filters}");
        }
        assert_eq!(made("{{ A | b64encode }}", &text), STANDARD.encode(&text));
        let bytes = random.bytes(12);
        let encoded = rendered("{{ B | b64encode | b64decode | b64encode }}", &[], &bytes);
        assert_eq!(encoded, Ok(STANDARD.encode(&bytes).into_bytes()));
    }
}

#[test]
fn json_stays_what_it_is() {
    let random = &mut Random::new(18);
    let pieces = ["1", "-1.5e7", "18446744073709551615", "null", "true", "\"é\\n\""];
    for _ in 0..2_000 {
        let mut text = random.of(&pieces).to_owned();
        for _ in 0..random.below(6) {
            let other = random.of(&pieces);
            text = match random.below(2) {
                0 => format!("[{other}, {text}]"),
                _ => format!("{{\"z\": {text}, \"\\u0061\": {other}}}"),
            };
        }
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(parsed(&made("{{ A | fromjson | tojson }}", &text)), parsed(&text), "{text}");
    }
}

#[test]
fn urlencode_leaves_what_is_unreserved_and_no_more() {
    let random = &mut Random::new(19);
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    for _ in 0..3_000 {
        let text = random.any_text(12);
        let encoded = made("{{ A | urlencode }}", &text);
        let (mut decoded, mut rest) = (Vec::new(), encoded.as_bytes());
        while let [first, others @ ..] = rest {
            let (byte, after) = match (first, others) {
                (b'%', [_, _, after @ ..]) => {
                    let digits = std::str::from_utf8(&others[..2]).expect("digits");
                    (u8::from_str_radix(digits, 16).expect("a byte"), after)
                }
                (first, _) => {
                    assert!(is_unreserved(*first), "{encoded}");
                    (*first, others)
                }
            };
            assert_eq!(is_unreserved(byte), *first != b'%', "{encoded}");
            decoded.push(byte);
            rest = after;
        }
        assert_eq!(decoded, text.as_bytes(), "{encoded}");
    }
}
