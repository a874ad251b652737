//! The one decoder of base64, so that the same text gives the same bytes wherever it is read: RFC 4648, in lines of any
//! length. White space is ignored, since the command line breaks base64 after 76 characters.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use secrecy::zeroize::Zeroizing;

/// Base64 for URLs, with or without padding.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);

/// Decodes base64 (RFC 4648, section 4), which needs its padding; `None` for other text. The decoder's own error is
/// dropped, since it may quote a byte of the value.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    decode_with(&STANDARD, text)
}

/// Decodes base64 for URLs (RFC 4648, section 5), with or without padding; `None` for other text.
pub(crate) fn decode_url(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    decode_with(&URL, text)
}

fn decode_with(engine: &GeneralPurpose, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // A string that grew would leave copies of the value in memory that is not wiped.
    let mut compact = Zeroizing::new(String::with_capacity(text.len()));
    compact.extend(text.split_ascii_whitespace());
    engine.decode(compact.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_do_not_matter() {
        for text in ["aGVsbG8=", "aGVs\nbG8=\n", "aGVs\r\nbG8=\r\n", " aGVs bG8 =\t"] {
            for decode in [decode, decode_url] {
                assert_eq!(decode(text).as_deref(), Some(&b"hello".to_vec()), "{text:?}");
            }
        }
        assert_eq!((decode("aGVsbG8"), decode_url("aGVsbG8").is_some()), (None, true), "padding");
        assert_eq!((decode("_-8="), decode_url("_-8=").is_some()), (None, true), "alphabet");
        assert_eq!((decode("/+8=").is_some(), decode_url("/+8=")), (true, None), "alphabet");
    }
}
