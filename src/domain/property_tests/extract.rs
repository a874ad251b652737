//! Base64 within values.

use std::cell::Cell;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use proptest::{
    collection::vec,
    prelude::{any, prop_oneof},
    sample::select,
};

use crate::{
    api::{Decode, Reason},
    domain::{
        plan::types::Source,
        property_tests::{CANARY, check, concatenation, source, text},
        report::fault::Fault,
        secret::{content::Content, value_part::part},
    },
};

const GARBAGE: &[&str] = &["S3CR3T", "A", "Zg==", "=", "-", "_", "+", "/", " ", "\n", "é", "\0", "QUJD"];
const BLANKS: &[&str] = &["", "", "", "\n", "\r\n", " ", "\t"];

fn decoded(text: &str, decode: Decode) -> Result<Vec<u8>, Fault> {
    let value = text.to_owned().into();
    let source = Source { decode: Some(decode), ..source("K", "/x") };
    part(&source, Content::Value(&value)).map(|content| content.bytes().to_vec())
}

#[test]
fn an_encoded_value_is_decoded_whatever_white_space_it_has() {
    check(500, (vec(any::<u8>(), 0..40), vec(select(BLANKS), 1..8)), |(bytes, blanks)| {
        let mut blanks = blanks.into_iter().cycle();
        for (text, decode) in [
            (STANDARD.encode(&bytes), Decode::Base64),
            (URL_SAFE.encode(&bytes), Decode::Base64Url),
            (URL_SAFE_NO_PAD.encode(&bytes), Decode::Base64Url),
        ] {
            let broken: String =
                text.chars().zip(&mut blanks).flat_map(|(c, blank)| blank.chars().chain([c])).collect();
            assert_eq!(decoded(&broken, decode).as_ref(), Ok(&bytes), "{broken:?}");
        }
    });
}

#[test]
fn an_invalid_encoding_is_a_fault_that_does_not_quote_it() {
    let failed = Cell::new(0);
    check(2_000, prop_oneof![text(10), concatenation(GARBAGE, 6), concatenation(GARBAGE, 6)], |text| {
        let compact: String = text.split_ascii_whitespace().collect();
        for decode in [Decode::Base64, Decode::Base64Url] {
            match (decoded(&text, decode), decode) {
                (Ok(bytes), Decode::Base64) => assert_eq!(STANDARD.encode(bytes), compact),
                (Ok(bytes), Decode::Base64Url) => {
                    assert_eq!(URL_SAFE_NO_PAD.encode(bytes), compact.trim_end_matches('='));
                }
                (Err(fault), _) => {
                    failed.set(failed.get() + 1);
                    assert_eq!(fault.reason, Reason::ValueError, "{}", fault.message);
                    assert!(!fault.message.contains(CANARY), "{}", fault.message);
                }
            }
        }
    });
    assert!(failed.get() > 1_000, "only {} failed", failed.get());
}
