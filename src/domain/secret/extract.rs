//! Takes values apart: a part by JSONPath, what is encoded, several fields. Whatever is wrong is told without the value.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::api::{Decode, Format, Reason};
use crate::domain::{
    Fault,
    plan::plan::{Set, Source},
    report::text::shortened,
    secret::{dotenv, json, render::Content},
};

/// Base64 for URLs, with or without padding.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);

/// What a key gets of a value: all of it, a part, or what is encoded in it.
///
/// # Errors
/// `ValueError` with parameter and place.
pub fn part<'a>(key: &str, source: &Source, value: Content<'a>) -> Result<Content<'a>, Fault> {
    let wrong = |problem: &str| {
        let message = format!(
            "The value of parameter {} {problem}; correct the parameter, or spec.data[{key}].",
            source.parameter_ref
        );
        Fault::new(Reason::ValueError, message)
    };
    // What a decoder says may quote a byte.
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| wrong("is no text"));
    let value = match &source.json_path {
        None => value,
        Some(path) => {
            let found = path.find(text(value.bytes())?).map_err(|problem| {
                let message = format!(
                    "{} {problem} in parameter {}; correct the parameter, or spec.data[{key}].jsonPath.",
                    shortened(&path.to_string()),
                    source.parameter_ref
                );
                Fault::new(Reason::ValueError, message)
            })?;
            Content::Text(found)
        }
    };
    let Some(decode) = source.decode else { return Ok(value) };
    let compact = Zeroizing::new(text(value.bytes())?.split_ascii_whitespace().collect::<String>());
    let bytes = match decode {
        Decode::Base64 => STANDARD.decode(compact.as_bytes()),
        Decode::Base64Url => URL.decode(compact.as_bytes()),
    };
    let bytes = bytes.map_err(|_| wrong(&format!("is no {decode:?}")))?;
    Ok(Content::Bytes(bytes.into()))
}

/// The fields of a value that holds several. Names may repeat.
///
/// # Errors
/// `ValueError` with parameter and place.
pub fn fields(set: &Set, value: &SecretString) -> Result<Vec<(String, SecretString)>, Fault> {
    let wrong = |problem: &str| {
        let message = format!(
            "The value of parameter {} {problem}; correct the parameter, or spec.dataFrom[{}].",
            set.parameter_ref, set.index
        );
        Fault::new(Reason::ValueError, message)
    };
    let text = value.expose_secret();
    let fields: Vec<_> = match set.format {
        Format::Json => json::fields(text).map_err(|problem| wrong(&problem))?,
        Format::Dotenv => dotenv::parse(text)
            .map_err(|(line, problem)| wrong(&format!("is no list of NAME=value: line {line} {problem}")))?
            .into_iter()
            .map(|(name, content)| (name.to_owned(), content))
            .collect(),
    };
    Ok(fields)
}
