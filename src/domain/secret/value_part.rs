//! What a source means of a value: one node of JSON, decoded. No fault holds anything of a value.

use secrecy::SecretString;

use crate::api::{Decode, Reason};
use crate::domain::{
    plan::types::Source,
    report::{fault::Fault, text::shortened},
    secret::{base64, content::Content, json_path::JsonPath},
};

/// Returns what a source means of a value: all of it or one node, decoded if the spec says so.
///
/// # Errors
/// `ValueError` with the parameter and the place in the spec.
pub(crate) fn part<'a>(source: &Source, value: Content<'a>) -> Result<Content<'a>, Fault> {
    let value = match &source.json_path {
        None => value,
        Some(path) => Content::Text(node(source, path, &value)?),
    };
    match source.decode {
        None => Ok(value),
        Some(decode) => decoded(source, decode, &value),
    }
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
    let text = text(source, value)?;
    let bytes = match decode {
        Decode::Base64 => base64::decode(text),
        Decode::Base64Url => base64::decode_url(text),
    };
    let mut bytes = bytes.ok_or_else(|| wrong(source, &format!("is not {}", decode.as_str())))?;
    Ok(Content::Bytes(std::mem::take(&mut *bytes).into()))
}

/// Returns a value as text.
///
/// # Errors
/// `ValueError` with the parameter and the place in the spec.
pub(super) fn text<'a>(source: &Source, value: &'a Content<'_>) -> Result<&'a str, Fault> {
    std::str::from_utf8(value.bytes()).map_err(|_| wrong(source, "is not text"))
}

/// Returns the fault of a value that is not what the spec says.
pub(super) fn wrong(source: &Source, problem: &str) -> Fault {
    let Source { parameter_ref, place, .. } = source;
    let message = format!("The value of parameter {parameter_ref} {problem}; correct the parameter, or {place}.");
    Fault::new(Reason::ValueError, message)
}
