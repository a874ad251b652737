//! The fields of a value become keys. No fault holds anything of a value, and the name of a field is a part of it.

use secrecy::SecretString;

use crate::api::{Format, Reason};
use crate::domain::{
    plan::types::{FieldSource, Source},
    report::fault::Fault,
    secret::{
        content::Content,
        dotenv, json, key_name,
        value_part::{part, text, wrong},
    },
};

/// Returns the keys that the chosen fields of a value become, with their content. Keys may repeat.
///
/// # Errors
/// `ValueError` with the parameter and the place in the spec.
pub(crate) fn fields(from: &FieldSource, value: Content<'_>) -> Result<Vec<(String, SecretString)>, Fault> {
    let source = &from.source;
    let value = part(source, value)?;
    let fields = parse(source, from.format, text(source, &value)?)?;
    let has_fields = !fields.is_empty();
    let numbered = fields.into_iter().zip(1..);
    let chosen: Vec<_> = numbered.filter(|((name, _), _)| from.filter.admits(name)).collect();
    if chosen.is_empty() && has_fields && !source.optional {
        return Err(wrong(source, "has no field left after include and exclude"));
    }
    let keys = chosen.into_iter().map(|((name, content), number)| {
        let key = key_name::key(&name, from.mapping.as_ref()).ok_or_else(|| invalid_key(source, number))?;
        Ok((key, content))
    });
    keys.collect()
}

/// Returns all fields of a text, in its order. Names may repeat.
fn parse(source: &Source, format: Format, text: &str) -> Result<Vec<(String, SecretString)>, Fault> {
    match format {
        Format::Json => json::fields(text).map_err(|problem| wrong(source, &problem)),
        Format::Dotenv => {
            let fields = dotenv::parse(text)
                .map_err(|(line, problem)| wrong(source, &format!("is not in Dotenv format: line {line} {problem}")))?;
            Ok(fields.into_iter().map(|(name, content)| (name.to_owned(), content)).collect())
        }
    }
}

/// Returns the fault of a field by its number within the value, from 1, instead of its name.
fn invalid_key(source: &Source, number: usize) -> Fault {
    let Source { parameter_ref, place, .. } = source;
    let message = format!(
        "The name of field {number} in parameter {parameter_ref} cannot become a key of a Secret, which has 1 to 253 letters, \
         digits, -, _ and . and does not begin with ..; rename it, exclude it, or set {place}.keys."
    );
    Fault::new(Reason::ValueError, message)
}
