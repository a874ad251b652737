//! `property`: a path of gjson, as far as it leads to one value by names and indices.
//!
//! ESO first looks for a field that is called like the whole property, dots included, and only then follows the path
//! (`GetSecret` of its Parameter Store provider).

use std::fmt::Write;

/// Most characters and most steps of a `jsonPath`.
const LIMITS: (usize, usize) = (1_024, 64);

/// A property as we say it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Property {
    /// The value of `jsonPath`.
    pub(super) json_path: String,
    /// What the translation takes for granted.
    pub(super) conditions: Vec<String>,
}

/// Translates a property.
///
/// # Errors
/// What has no equivalent, as a sentence without a full stop.
pub(super) fn translate(property: &str) -> Result<Property, String> {
    let (steps, has_dot) = steps(property)?;
    let mut json_path = "$".to_owned();
    let mut has_index = false;
    for step in &steps {
        let is_index = is_index(step);
        has_index |= is_index;
        if is_index {
            // Writing to a String cannot fail.
            let _ = write!(json_path, "[{step}]");
        } else {
            push_name(&mut json_path, step);
        }
    }
    if json_path.chars().count() > LIMITS.0 || steps.len() > LIMITS.1 {
        return Err(format!("jsonPath has at most {} characters and {} steps", LIMITS.0, LIMITS.1));
    }
    let mut conditions = Vec::new();
    if has_dot {
        let mut whole = "$".to_owned();
        push_name(&mut whole, property);
        conditions.push(format!(
            "the value has no field that is itself called {property}, which ESO would prefer; if it has, write {whole}"
        ));
    }
    if has_index {
        conditions.push("numbers in the path are indices of lists, not names of fields".to_owned());
    }
    Ok(Property { json_path, conditions })
}

/// Splits a path of gjson into the names of its steps. Also tells whether a dot separated any.
fn steps(property: &str) -> Result<(Vec<String>, bool), String> {
    let (mut steps, mut step, mut has_dot) = (Vec::new(), String::new(), false);
    let mut characters = property.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => step.extend(characters.next()),
            '.' => {
                has_dot = true;
                steps.push(std::mem::take(&mut step));
            }
            '*' | '?' => return Err("wildcards may lead to any of several fields, but jsonPath to one only".to_owned()),
            '|' => return Err("pipes of gjson have no equivalent".to_owned()),
            '#' if step.is_empty() => return Err("queries of lists (#) have no equivalent".to_owned()),
            '@' | '!' | '[' | '{' if step.is_empty() => {
                return Err(format!("modifiers and composed paths of gjson ({character}) have no equivalent"));
            }
            character => step.push(character),
        }
    }
    steps.push(step);
    if steps.iter().any(String::is_empty) {
        return Err("a step of the path has no name".to_owned());
    }
    Ok((steps, has_dot))
}

/// Reports whether gjson takes a step for an index where it finds a list.
fn is_index(step: &str) -> bool {
    let is_canonical = step == "0" || !step.starts_with('0');
    step.bytes().all(|byte| byte.is_ascii_digit()) && is_canonical && step.len() <= 15
}

/// Appends the step to a field, in quotes if its name needs them.
fn push_name(json_path: &mut String, name: &str) {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit()) {
        json_path.push('.');
        json_path.push_str(name);
        return;
    }
    json_path.push_str("['");
    for character in name.chars() {
        match character {
            '\'' | '\\' => json_path.extend(['\\', character]),
            '\0'..='\u{1f}' => {
                // Writing to a String cannot fail.
                let _ = write!(json_path, "\\u{:04x}", u32::from(character));
            }
            other => json_path.push(other),
        }
    }
    json_path.push_str("']");
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::domain::secret::json_path;

    #[test]
    fn properties_become_paths_that_find_the_same() {
        let json = r#"{"password": "1", "db": {"user-name": "2", "hosts": ["3", "4"]}, "a.b": "5", "it's": "6",
            "back\\slash": "7", "2fa": "8", "ü": "9", "a#b": "10"}"#;
        for (property, path, value) in [
            ("password", "$.password", "1"),
            ("db.user-name", "$.db['user-name']", "2"),
            ("db.hosts.1", "$.db.hosts[1]", "4"),
            (r"a\.b", "$['a.b']", "5"),
            ("it's", r"$['it\'s']", "6"),
            (r"back\\slash", r"$['back\\slash']", "7"),
            ("2fa", "$['2fa']", "8"),
            ("ü", "$['ü']", "9"),
            ("a#b", "$['a#b']", "10"),
        ] {
            let translated = translate(property).expect(property);
            assert_eq!(translated.json_path, path);
            let has_condition = property.contains('.') && property != r"a\.b";
            assert_eq!(!translated.conditions.is_empty(), has_condition, "{property}");
            let found = json_path::parse(path).expect(path).find(json).expect(path);
            assert_eq!(found.expose_secret(), value, "{property}");
        }
        let conditions = translate("a.b").expect("a path").conditions;
        assert!(conditions[0].contains("$['a.b']"), "{conditions:?}");
    }

    #[test]
    fn what_has_no_equivalent_is_refused() {
        for property in
            ["a.*", "a?b", "list.#.name", "list.#(x==1).name", "@this", "a.@reverse", "a|b", "a..b", "a.", "{a,b}"]
        {
            assert!(translate(property).is_err(), "{property}");
        }
        assert!(translate(&"a.".repeat(2_000)).is_err() && translate(&"a".repeat(2_000)).is_err());
    }
}
