//! What is encoded within a value.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};

use crate::domain::property::{CANARY, parameter_ref};
use crate::{
    api::{Decode, Reason},
    domain::{
        Fault,
        plan::types::{Place, Source},
        secret::{content::Content, extract::part},
    },
    random::Random,
};

const GARBAGE: &[&str] = &["S3CR3T", "A", "Zg==", "=", "-", "_", "+", "/", " ", "\n", "é", "\0", "QUJD"];

fn decoded(text: &str, decode: Decode) -> Result<Vec<u8>, Fault> {
    let value = text.to_owned().into();
    let source = Source { decode: Some(decode), ..Source::of(Place::Data("K".into()), parameter_ref("/x")) };
    part(&source, Content::Value(&value)).map(|content| content.bytes().to_vec())
}

/// White space anywhere.
fn broken(random: &mut Random, text: &str) -> String {
    let blank = |random: &mut Random| if random.one_in(4) { random.of(&["\n", "\r\n", " ", "\t"]) } else { "" };
    text.chars().flat_map(|character| [blank(random).to_owned(), character.to_string()]).collect::<String>()
        + blank(random)
}

#[test]
fn what_was_encoded_is_decoded() {
    let random = &mut Random::new(14);
    for _ in 0..10_000 {
        let bytes = random.bytes(40);
        for (text, decode) in [
            (STANDARD.encode(&bytes), Decode::Base64),
            (URL_SAFE.encode(&bytes), Decode::Base64Url),
            (URL_SAFE_NO_PAD.encode(&bytes), Decode::Base64Url),
        ] {
            let text = broken(random, &text);
            assert_eq!(decoded(&text, decode).as_ref(), Ok(&bytes), "{text:?}");
        }
    }
}

/// What is decoded at all is the encoding of what comes out; the rest is a fault that does not quote it.
#[test]
fn what_is_not_encoded_is_told_without_the_value() {
    let random = &mut Random::new(15);
    let mut failed = 0;
    for _ in 0..20_000 {
        let text = if random.one_in(4) { random.any_text(10) } else { random.text(GARBAGE, 6) };
        let compact: String = text.split_ascii_whitespace().collect();
        for decode in [Decode::Base64, Decode::Base64Url] {
            match (decoded(&text, decode), decode) {
                (Ok(bytes), Decode::Base64) => assert_eq!(STANDARD.encode(bytes), compact),
                (Ok(bytes), Decode::Base64Url) => {
                    let forms = [URL_SAFE.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)];
                    assert_eq!(forms[1].trim_end_matches('='), compact.trim_end_matches('='), "{compact}");
                }
                (Err(fault), _) => {
                    failed += 1;
                    assert_eq!(fault.reason, Reason::ValueError, "{}", fault.message);
                    assert!(!fault.message.contains(CANARY), "{}", fault.message);
                }
            }
        }
    }
    assert!(failed > 5_000, "only {failed} failed");
}
