//! Planted values, and the encodings in which they are searched.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use sha2::{Digest, Sha256};

/// Values longer than this are also searched in pieces, because a message may truncate them.
const LONG: usize = 64;
/// Length of a piece. It is too long to occur by chance.
const PIECE: usize = 24;

/// A value that must not appear.
pub struct Canary {
    label: String,
    forms: Vec<(&'static str, String)>,
}

impl Canary {
    /// A value, and its name in messages.
    pub fn new(label: &str, value: &str) -> Self {
        let mut forms = Vec::new();
        for piece in pieces(value) {
            forms.push(("clear text", piece.clone()));
            forms.push(("JSON", within_quotes(&serde_json::Value::from(piece.as_str()).to_string())));
            forms.push(("Debug", within_quotes(&format!("{piece:?}"))));
            forms.push(("ASCII JSON", ascii_json(&piece)));
            forms.push(("base64", STANDARD_NO_PAD.encode(&piece)));
            forms.push(("URL-safe base64", URL_SAFE_NO_PAD.encode(&piece)));
        }
        let digest = Sha256::digest(value);
        forms.push(("SHA-256", format!("{digest:x}")));
        forms.push(("SHA-256", format!("{digest:X}")));
        forms.push(("SHA-256 in base64", STANDARD_NO_PAD.encode(digest)));
        forms.push(("SHA-256 in URL-safe base64", URL_SAFE_NO_PAD.encode(digest)));
        Self { label: label.to_owned(), forms }
    }

    /// The encoding in which a text contains the value, if any.
    fn shows_in(&self, text: &str) -> Option<&'static str> {
        self.forms.iter().find(|(_, form)| text.contains(form.as_str())).map(|(name, _)| *name)
    }
}

/// All occurrences of the values in these texts. Each text has a name.
pub fn findings(canaries: &[Canary], texts: &[(String, String)]) -> Vec<String> {
    let each = texts.iter().flat_map(|text| canaries.iter().map(move |canary| (canary, text)));
    let found = each.filter_map(|(canary, (place, text))| {
        canary.shows_in(text).map(|form| format!("{place} holds {} as {form}", canary.label))
    });
    found.collect()
}

fn pieces(value: &str) -> Vec<String> {
    let characters: Vec<_> = value.chars().collect();
    let mut pieces = vec![value.to_owned()];
    if characters.len() > LONG {
        let starts = [0, characters.len() / 2, characters.len() - PIECE];
        pieces.extend(starts.map(|start| characters[start..start + PIECE].iter().collect()));
    }
    pieces
}

fn within_quotes(quoted: &str) -> String {
    quoted[1..quoted.len() - 1].to_owned()
}

/// JSON as Go writes it: ASCII only, and with special characters of HTML escaped.
fn ascii_json(text: &str) -> String {
    let mut escaped = String::new();
    for unit in within_quotes(&serde_json::Value::from(text).to_string()).encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() && !matches!(byte, b'<' | b'>' | b'&') => escaped.push(char::from(byte)),
            _ => escaped.extend(["\\u", &format!("{unit:04x}")]),
        }
    }
    escaped
}

#[test]
fn every_encoding_is_found() {
    let value = "pass<word>\"é\"";
    let canary = Canary::new("it", value);
    for (form, shown) in [
        ("clear text", r#"it is pass<word>"é"."#),
        ("JSON", r#"{"a":"pass<word>\"é\""}"#),
        ("ASCII JSON", r#"{"a":"pass\u003cword\u003e\"\u00e9\""}"#),
        ("base64", "data: cGFzczx3b3JkPiLDqSI="),
        ("SHA-256", &format!("{:x}", Sha256::digest(value))),
    ] {
        assert_eq!(canary.shows_in(shown), Some(form));
    }
    assert_eq!(canary.shows_in("pass word"), None);
    let long = Canary::new("long", &"0123456789abcdefghijklmnopqrstuvwxyz".repeat(3));
    assert!(long.shows_in("begins with 0123456789abcdefghijklmnopqrstuvwxyz…").is_some());
    let texts = [("the log".to_owned(), value.to_owned()), ("the status".to_owned(), String::new())];
    assert_eq!(findings(&[canary, long], &texts), ["the log holds it as clear text"]);
}
