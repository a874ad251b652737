//! Templates, whatever a tenant writes, over whatever values.

use std::{borrow::Cow, cell::Cell, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::select,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    api::Reason,
    domain::{
        property_tests::{CANARY, check, concatenation, text},
        report::fault::Fault,
        secret::{
            content::{Content, Data},
            template::Templates,
        },
    },
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
const ITEMS: &[&str] = &["1", "-9223372036854775808", "1e308", "'x'", "none", "true"];
const PREFIXES: &[&str] = &["", "-", "not ", "A", "x"];
const UNICODE: &[&str] = &["a", " ", "é", "💥", "\"", "\\", "\n", "{{", "}}", "%", "/", "+", "\0", "<&>"];
const SCALARS: &[&str] = &["1", "-1.5e7", "18446744073709551615", "null", "true", "\"é\\n\""];

/// Checks and renders a template over some values.
fn rendered(source: &str, values: &[(&str, SecretString)], bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut data: Data<'_> = values.iter().map(|(key, value)| (Cow::Borrowed(*key), Content::Value(value))).collect();
    data.insert(Cow::Borrowed("B"), Content::Bytes(bytes.to_vec().into()));
    let templates = BTreeMap::from([("T".to_owned(), source.to_owned())]);
    Templates::compile(&templates)?.render(&data).map(|rendered| rendered["T"].expose_secret().to_vec())
}

/// Renders a template over one text.
fn rendered_text(source: &str, text: &str) -> String {
    let rendered = rendered(source, &[("A", text.to_owned().into())], b"").expect("a rendered template");
    String::from_utf8(rendered).expect("a text")
}

/// Generates expressions, most of which the parser accepts.
fn expression() -> impl Strategy<Value = String> + Clone {
    select(VALUES).prop_map(str::to_owned).prop_recursive(3, 8, 2, |inner| {
        let also = inner.clone();
        prop_oneof![
            2 => (inner.clone(), select(FILTERS)).prop_map(|(inner, filter)| format!("{inner} | {filter}")),
            2 => (inner.clone(), select(OPERATORS), also).prop_map(|(one, operator, other)| format!("{one} {operator} {other}")),
            1 => (inner.clone(), select(SUFFIXES)).prop_map(|(inner, suffix)| format!("({inner}){suffix}")),
            1 => (inner.clone(), select(ITEMS)).prop_map(|(inner, item)| format!("[{inner}, {item}]")),
            1 => (inner.clone(), select(VALUES)).prop_map(|(inner, key)| format!("{{'a': {inner}, {key}: 1 }}")),
            1 => (select(PREFIXES), inner).prop_map(|(prefix, inner)| format!("{prefix}({inner})")),
        ]
    })
}

fn template() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => concatenation(GARBAGE, 16),
        1 => (text(4), concatenation(GARBAGE, 5)).prop_map(|(text, garbage)| format!("{text}{{{{ {garbage} }}}}")),
        1 => expression().prop_map(|inner| format!("{{% if {inner} %}}\n{{{{ A }}}}{{% endif %}}")),
        2 => (expression(), select(&["", "\n", "{{ J }}"][..])).prop_map(|(inner, end)| format!("x {{{{ {inner} }}}}{end}")),
    ]
}

#[test]
fn no_message_holds_a_part_of_a_value() {
    let json = format!(r#"{{"a": "{CANARY}", "{CANARY}": [1, "{CANARY}"], "n": 1e300}}"#);
    let values =
        [("A", CANARY), ("J", &json), ("N", "7"), ("E", "")].map(|(key, value)| (key, value.to_owned().into()));
    let bytes = [b"\xff\0".as_slice(), CANARY.as_bytes()].concat();
    let (succeeded, failed) = (Cell::new(0), Cell::new(0));
    check(2_000, template(), |source| match rendered(&source, &values, &bytes) {
        Ok(_) => succeeded.set(succeeded.get() + 1),
        Err(fault) => {
            failed.set(failed.get() + 1);
            assert_eq!(fault.reason, Reason::TemplateError, "{}", fault.message);
            assert!(!fault.message.contains(CANARY), "{}", fault.message);
        }
    });
    assert!(succeeded.get() > 200 && failed.get() > 200, "{} succeeded, {} failed", succeeded.get(), failed.get());
}

#[test]
fn a_filter_and_its_inverse_give_back_the_value() {
    let text = prop_oneof![text(12), concatenation(UNICODE, 8)];
    check(400, (text, vec(any::<u8>(), 0..12)), |(text, bytes)| {
        for filters in ["b64encode | b64decode", "tojson | fromjson", "quote | fromjson", "indent(0)"] {
            assert_eq!(rendered_text(&format!("{{{{ A | {filters} }}}}"), &text), text, "{filters}");
        }
        assert_eq!(rendered_text("{{ A | b64encode }}", &text), STANDARD.encode(&text));
        let encoded = rendered("{{ B | b64encode | b64decode | b64encode }}", &[], &bytes);
        assert_eq!(encoded, Ok(STANDARD.encode(&bytes).into_bytes()));
    });
}

#[test]
fn json_keeps_its_value_through_the_filters() {
    let json = select(SCALARS).prop_map(str::to_owned).prop_recursive(6, 12, 2, |inner| {
        let item = (select(SCALARS), inner);
        prop_oneof![
            item.clone().prop_map(|(other, inner)| format!("[{other}, {inner}]")),
            item.prop_map(|(other, inner)| format!("{{\"z\": {inner}, \"\\u0061\": {other}}}")),
        ]
    });
    check(400, json, |text| {
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(parsed(&rendered_text("{{ A | fromjson | tojson }}", &text)), parsed(&text));
    });
}

#[test]
fn urlencode_leaves_unreserved_characters_alone() {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    check(500, text(12), |text| {
        let expected: String = text
            .bytes()
            .map(|byte| if is_unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        assert_eq!(rendered_text("{{ A | urlencode }}", &text), expected);
    });
}
