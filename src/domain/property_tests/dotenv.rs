//! Lists of `NAME=value`.

use std::{cell::Cell, fmt::Write};

use proptest::{
    collection::vec,
    prelude::{any, prop_oneof},
    sample::select,
};
use secrecy::ExposeSecret;

use crate::{
    api::Format,
    domain::{
        property_tests::{CANARY, check, concatenation, field_source, text},
        secret::{content::Content, dotenv::parse, fields::fields as keys_of},
    },
};

const PIECES: &[&str] = &["a", "B", "1", " ", "\t", "\n", "\r", "\"", "'", "\\", "#", "$", "=", "é", "export ", "${B}"];
const GARBAGE: &[&str] =
    &["a", "B", " ", "\n", "\"", "'", "\\", "#", "=", "é", "export ", CANARY, CANARY, "\nA=", "=\"", "='"];
const NAMES: &[&str] = &["A", "b.c", "D-1", "export", "exported", "É", "a'b", "\"q\""];
const BETWEEN: &[&str] = &["", "", "\n", "# A=1 'x\n", "  \t\n", " # \"\r\n"];

fn parsed(text: &str) -> Result<Vec<(String, String)>, (usize, &'static str)> {
    let fields = parse(text)?.into_iter();
    Ok(fields.map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect())
}

/// Writes a value without quotes, in single or in double quotes, by the style; or in the next of these that can hold it.
pub(super) fn quoted(value: &str, style: u8) -> String {
    let is_plain = value.trim() == value && !value.contains('\n') && !value.starts_with(['\'', '"', '#']);
    if style.is_multiple_of(3) && is_plain && !value.contains(" #") && !value.contains("\t#") {
        return value.to_owned();
    }
    // After a backslash, a closing quote is one only if the line has no other.
    if style % 3 <= 1 && !value.contains('\'') && !value.ends_with('\\') {
        return format!("'{value}'");
    }
    let mut escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    if style & 4 != 0 {
        escaped = escaped.replace('\n', "\\n").replace('\t', "\\t");
    }
    if style & 8 != 0 {
        escaped = escaped.replace('$', "\\$");
    }
    format!("\"{escaped}\"")
}

#[test]
fn a_field_is_read_in_whatever_style_it_is_written() {
    let value = prop_oneof![text(8), concatenation(PIECES, 10), concatenation(PIECES, 10)];
    let before = (select(BETWEEN), select(&["", " "][..]), select(&["", "export ", "export\t"][..]));
    let around = (select(&["", " ", "\t "][..]), select(&["", " # \"x", "\t#' #"][..]), select(&["\n", "\r\n"][..]));
    let field = (select(NAMES), value, any::<u8>(), before, around);
    check(1_500, (any::<bool>(), vec(field, 0..5), any::<bool>()), |(has_mark, fields, is_cut)| {
        let mut text = if has_mark { "\u{feff}" } else { "" }.to_owned();
        for (name, value, style, (between, indent, export), (blank, comment, end)) in &fields {
            // With a blank after it, `export` is not the name.
            let blank = if *name == "export" { "" } else { blank };
            let written = quoted(value, *style);
            write!(text, "{between}{indent}{export}{name}{blank}={blank}{written}{comment}{end}").expect("text");
        }
        let text = if is_cut { text.trim_end_matches('\n') } else { &text };
        let expected = fields.into_iter().map(|(name, value, ..)| (name.to_owned(), value)).collect();
        assert_eq!(parsed(text), Ok(expected), "{text:?}");
    });
}

#[test]
fn any_text_has_fields_or_a_faulty_line_that_is_not_quoted() {
    let failed = Cell::new(0);
    check(3_000, prop_oneof![text(12), concatenation(GARBAGE, 12), concatenation(GARBAGE, 12)], |text| {
        match parsed(&text) {
            Ok(fields) => assert!(fields.iter().all(|(name, _)| !name.is_empty() && text.contains(name))),
            Err((line, problem)) => {
                failed.set(failed.get() + 1);
                assert!((1..=text.split('\n').count()).contains(&line), "{line}");
                let (from, value) = (field_source(0, "/x", Format::Dotenv, None), text.clone().into());
                let fault = keys_of(&from, Content::Value(&value)).map(drop).expect_err("the same problem");
                assert!(fault.message.contains(&format!("line {line} {problem}")), "{}", fault.message);
                assert!(!fault.message.contains(CANARY), "{}", fault.message);
            }
        }
    });
    assert!(failed.get() > 500, "only {} failed", failed.get());
}
