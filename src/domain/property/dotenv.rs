//! Lists of `NAME=value`.

use std::fmt::Write;

use secrecy::ExposeSecret;

use crate::domain::property::{CANARY, parameter_ref};
use crate::{
    api::Format,
    domain::{
        plan::{
            name_filter::NameFilter,
            types::{FieldSource, Place, Source},
        },
        secret::{content::Content, dotenv::parse, extract},
    },
    random::Random,
};

const PIECES: &[&str] = &["a", "B", "1", " ", "\t", "\n", "\r", "\"", "'", "\\", "#", "$", "=", "é", "export ", "${B}"];
const NAMES: &[&str] = &["A", "b.c", "D-1", "export", "exported", "É", "a'b", "\"q\""];
const BETWEEN: &[&str] = &["", "", "\n", "# A=1 'x\n", "  \t\n", " # \"\r\n"];

fn parsed(text: &str) -> Result<Vec<(String, String)>, (usize, &'static str)> {
    let fields = parse(text)?.into_iter();
    Ok(fields.map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect())
}

/// In the first of these styles that can hold the value, from any on: none, single quotes, double quotes.
pub(crate) fn quoted(random: &mut Random, value: &str) -> String {
    let is_plain = value.trim() == value && !value.contains('\n') && !value.starts_with(['\'', '"', '#']);
    let style = random.below(3);
    if style == 0 && is_plain && !value.contains(" #") && !value.contains("\t#") {
        value.to_owned()
    } else if style <= 1 && !value.contains('\'') {
        format!("'{value}'")
    } else {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        let escaped = if random.one_in(2) { escaped.replace('\n', "\\n").replace('\t', "\\t") } else { escaped };
        format!("\"{}\"", if random.one_in(2) { escaped.replace('$', "\\$") } else { escaped })
    }
}

#[test]
fn what_was_written_in_any_style_is_read() {
    let random = &mut Random::new(12);
    for _ in 0..8_000 {
        let (mut text, mut fields) = (random.of(&["", "\u{feff}"]).to_owned(), Vec::new());
        for _ in 0..random.below(5) {
            let name = random.of(NAMES);
            let value = if random.one_in(3) { random.any_text(8) } else { random.text(PIECES, 10) };
            let (between, indent, export) =
                (random.of(BETWEEN), random.of(&["", " "]), random.of(&["", "export ", "export\t"]));
            let (blank, comment, end) =
                (random.of(&["", " ", "\t "]), random.of(&["", " # \"x", "\t#' #"]), random.of(&["\n", "\r\n"]));
            // A blank after it makes it the word before a name.
            let blank = if name == "export" { "" } else { blank };
            let value_written = quoted(random, &value);
            write!(text, "{between}{indent}{export}{name}{blank}={blank}{value_written}{comment}{end}").expect("text");
            fields.push((name.to_owned(), value));
        }
        let cut = if random.one_in(2) { text.trim_end_matches('\n') } else { &text };
        assert_eq!(parsed(cut).as_ref(), Ok(&fields), "{cut:?}");
    }
}

/// Whatever the text is, there is an answer: fields that are parts of it, or a line of it, and never the value.
#[test]
fn no_message_holds_a_part_of_a_value() {
    let random = &mut Random::new(13);
    let mut failed = 0;
    for _ in 0..20_000 {
        let pieces: Vec<_> = PIECES.iter().copied().chain([CANARY, "\nA=", "=\"", "='"]).collect();
        let text = if random.one_in(4) { random.any_text(12) } else { random.text(&pieces, 12) };
        match parsed(&text) {
            Ok(fields) => assert!(fields.iter().all(|(name, _)| !name.is_empty() && text.contains(name)), "{text:?}"),
            Err((line, problem)) => {
                failed += 1;
                assert!((1..=text.split('\n').count()).contains(&line), "{text:?}: {line}");
                assert!(!problem.contains(CANARY), "{text:?}: {problem}");
                let source = Source::of(Place::DataFrom(0), parameter_ref("/x"));
                let from = FieldSource { source, format: Format::Dotenv, filter: NameFilter::default(), mapping: None };
                let value = text.clone().into();
                let fault = extract::fields(&from, Content::Value(&value)).map(drop).expect_err("the same problem");
                assert!(fault.message.contains(&format!("line {line} ")), "{}", fault.message);
                assert!(!fault.message.contains(CANARY), "{}", fault.message);
            }
        }
    }
    assert!(failed > 1_000, "only {failed} failed");
}
