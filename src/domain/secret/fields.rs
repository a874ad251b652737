//! The fields of a value become keys. No fault holds anything of a value, and the name of a field is a part of it.

use std::collections::HashSet;

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
    if chosen.is_empty() && !source.optional {
        // Otherwise a mistake in one value would remove all its keys.
        let problem = if has_fields { "has no field left after include and exclude" } else { "has no fields" };
        return Err(wrong(source, problem));
    }
    let keys = chosen.into_iter().map(|((name, content), number)| {
        let key = key_name::key(&name, from.mapping.as_ref()).ok_or_else(|| invalid_key(source, number))?;
        Ok((key, content))
    });
    keys.collect()
}

/// Returns all fields of a text, in its order.
fn parse(source: &Source, format: Format, text: &str) -> Result<Vec<(String, SecretString)>, Fault> {
    match format {
        Format::Json => json::fields(text).map_err(|problem| wrong(source, &problem)),
        Format::Dotenv => {
            let fields = dotenv::parse(text)
                .map_err(|(line, problem)| wrong(source, &format!("is not in Dotenv format: line {line} {problem}")))?;
            // Which of them counts differs from tool to tool.
            let mut names = HashSet::new();
            if let Some(index) = fields.iter().position(|(name, _)| !names.insert(*name)) {
                return Err(wrong(source, &format!("has the same field twice (field {})", index + 1)));
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        parameter::{name::ParameterRef, scope::Scope},
        plan::{name_filter::NameFilter, types::Place},
    };

    #[test]
    fn a_value_without_fields_is_a_fault_unless_the_entry_is_optional() {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let required = Source::of(Place::DataFrom(0), ParameterRef::new("/a", None, &scope));
        let optional = Source { optional: true, ..required.clone() };
        for (format, text) in [(Format::Json, "{}"), (Format::Dotenv, "# s3cr3t\n")] {
            let read = |source: &Source| {
                let from = FieldSource { source: source.clone(), format, filter: NameFilter::default(), mapping: None };
                fields(&from, Content::Text(text.to_owned().into())).map(|fields| fields.len())
            };
            assert_eq!(read(&optional), Ok(0), "{text}");
            let fault = read(&required).expect_err(text);
            assert_eq!(fault.reason, Reason::ValueError);
            assert!(fault.message.contains("has no fields"), "{}", fault.message);
        }
    }
}
