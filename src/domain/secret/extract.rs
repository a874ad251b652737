//! Takes values apart: one node of JSON, decoding, several fields. No fault holds anything of a value.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use secrecy::{SecretString, zeroize::Zeroizing};

use crate::api::{Decode, Format, Reason};
use crate::domain::{
    plan::types::{FieldSource, Source},
    report::{fault::Fault, text::shortened},
    secret::{content::Content, dotenv, json, json_path::JsonPath},
};

/// Base64 for URLs, with or without padding.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);

/// Returns what a source means of a value: all of it or one node, decoded if the spec says so.
///
/// # Errors
/// `ValueError` with the parameter and the place in the spec.
pub fn part<'a>(source: &Source, value: Content<'a>) -> Result<Content<'a>, Fault> {
    let value = match &source.json_path {
        None => value,
        Some(path) => Content::Text(node(source, path, &value)?),
    };
    match source.decode {
        None => Ok(value),
        Some(decode) => decoded(source, decode, &value),
    }
}

/// Returns the chosen fields of a value that holds several. Names may repeat.
///
/// # Errors
/// `ValueError` with the parameter and the place in the spec.
pub fn fields(from: &FieldSource, value: Content<'_>) -> Result<Vec<Field>, Fault> {
    let source = &from.source;
    let value = part(source, value)?;
    let text = text(source, &value)?;
    let fields = match from.format {
        Format::Json => json::fields(text).map_err(|problem| wrong(source, &problem))?,
        Format::Dotenv => dotenv::parse(text)
            .map_err(|(line, problem)| wrong(source, &format!("is no list of NAME=value: line {line} {problem}")))?
            .into_iter()
            .map(|(name, content)| (name.to_owned(), content))
            .collect(),
    };
    let has_fields = !fields.is_empty();
    let numbered = fields.into_iter().zip(1..).map(|((name, content), number)| Field { name, number, content });
    let chosen: Vec<_> = numbered.filter(|field| from.filter.admits(&field.name)).collect();
    if chosen.is_empty() && has_fields && !source.optional {
        return Err(wrong(source, "has no field that include and exclude choose"));
    }
    Ok(chosen)
}

/// One field of a value.
pub struct Field {
    /// Its name, which is a part of the value.
    pub name: String,
    /// Its number within the value, from 1.
    pub number: usize,
    /// What it holds.
    pub content: SecretString,
}

fn node(source: &Source, path: &JsonPath, value: &Content<'_>) -> Result<SecretString, Fault> {
    path.find(text(source, value)?).map_err(|problem| {
        let message = format!(
            "{} {problem} in parameter {}; correct the parameter, or {}.jsonPath.",
            shortened(&path.to_string()),
            source.parameter_ref,
            source.place
        );
        Fault::new(Reason::ValueError, message)
    })
}

fn decoded<'a>(source: &Source, decode: Decode, value: &Content<'_>) -> Result<Content<'a>, Fault> {
    let compact = Zeroizing::new(text(source, value)?.split_ascii_whitespace().collect::<String>());
    let bytes = match decode {
        Decode::Base64 => STANDARD.decode(compact.as_bytes()),
        Decode::Base64Url => URL.decode(compact.as_bytes()),
    };
    // The decoder's own message may quote a byte.
    let bytes = bytes.map_err(|_| wrong(source, &format!("is not {}", decode.as_str())))?;
    Ok(Content::Bytes(bytes.into()))
}

fn text<'a>(source: &Source, value: &'a Content<'_>) -> Result<&'a str, Fault> {
    std::str::from_utf8(value.bytes()).map_err(|_| wrong(source, "is not text"))
}

fn wrong(source: &Source, problem: &str) -> Fault {
    let Source { parameter_ref, place, .. } = source;
    let message = format!("The value of parameter {parameter_ref} {problem}; correct the parameter, or {place}.");
    Fault::new(Reason::ValueError, message)
}
