//! Values that are JSON. What is taken out of one is its own text, to the letter: numbers are not rounded, fields not
//! sorted. Errors never hold anything of a value, names of fields included.

use std::borrow::Cow;

use jsonpath_rust::{JsonPath, parser::parse_json_path};
use secrecy::{SecretString, zeroize::Zeroize};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// Most characters of a path that may each match several nodes, and most segments `..`: more would multiply into millions
/// of matches.
const MANY: usize = 4;
/// See [`MANY`].
const DESCENTS: usize = 1;

/// Checks a JSONPath (RFC 9535).
///
/// # Errors
/// What is wrong with it, as the end of a sentence that begins with the path.
pub fn check_path(path: &str) -> Result<(), String> {
    // What the parser says is for programmers.
    parse_json_path(path).map_err(|_| "is no JSONPath as RFC 9535 has it".to_owned())?;
    let bare = without_names(path);
    let many = bare.chars().filter(|character| "*?,:".contains(*character)).count();
    if many > MANY || bare.matches("..").count() > DESCENTS {
        return Err(format!("asks for too much: at most one .. and {MANY} of * ? , : are allowed"));
    }
    Ok(())
}

/// A path without what is quoted in it.
fn without_names(path: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let mut bare = String::new();
    for character in path.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '\'' | '"') => quote = Some(character),
            None => bare.push(character),
        }
    }
    bare
}

/// What exactly one match of a checked path holds: strings as they are, everything else as JSON text.
///
/// # Errors
/// What is wrong with the value or its matches, as the end of a sentence.
pub fn find(text: &str, path: &str) -> Result<SecretString, String> {
    let value = Wiped(serde_json::from_str(text).map_err(|_| "looks into a value that is no JSON".to_owned())?);
    let found = value.0.query(path).map_err(|_| "is no JSONPath as RFC 9535 has it".to_owned())?;
    let match_ = match found[..] {
        [one] => one,
        [] => return Err("matches nothing".to_owned()),
        _ => return Err(format!("matches {} values, not one", found.len())),
    };
    let mut steps = Vec::new();
    locate(&value.0, match_, &mut steps);
    // The first step was found last.
    let raw = steps.iter().rev().try_fold(text, |raw, step| step_into(raw, step))?;
    Ok(content(raw))
}

/// The fields of an object: strings as they are, everything else as JSON text.
///
/// # Errors
/// What is wrong with the value, as the end of a sentence that begins with it.
pub fn fields(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let no_object = |_| if is_json(text) { "is JSON, but no object" } else { "is no JSON" };
    let fields = serde_json::from_str::<Fields<'_>>(text).map_err(no_object)?.0;
    for (index, (name, _)) in fields.iter().enumerate() {
        if fields[..index].iter().any(|(other, _)| other == name) {
            return Err(format!("has the same field twice (field {})", index + 1));
        }
    }
    Ok(fields.into_iter().map(|(name, raw)| (name.into_owned(), content(raw.get()))).collect())
}

/// Whether a text is JSON.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// A parsed value whose texts are wiped when it is dropped.
struct Wiped(Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| wipe(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A step down into a value.
enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

/// Finds where a value is within another; the steps come last first.
fn locate<'a>(within: &'a Value, wanted: &Value, steps: &mut Vec<Step<'a>>) -> bool {
    if std::ptr::eq(within, wanted) {
        return true;
    }
    match within {
        Value::Array(items) => items.iter().enumerate().any(|(index, item)| {
            let found = locate(item, wanted, steps);
            found.then(|| steps.push(Step::Item(index)));
            found
        }),
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let found = locate(value, wanted, steps);
            found.then(|| steps.push(Step::Field(name)));
            found
        }),
        _ => false,
    }
}

/// The text of what a step leads to.
fn step_into<'a>(raw: &'a str, step: &Step<'_>) -> Result<&'a str, String> {
    let gone = || "matches nothing".to_owned();
    match step {
        Step::Item(index) => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| gone())?;
            items.get(*index).map(|item| item.get()).ok_or_else(gone)
        }
        Step::Field(name) => {
            let fields = serde_json::from_str::<Fields<'_>>(raw).map_err(|_| gone())?.0;
            let mut found = fields.into_iter().filter(|(other, _)| other == name);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(value.get()),
                (None, _) => Err(gone()),
                (Some(_), Some(_)) => Err("leads through an object that has the same field twice".to_owned()),
            }
        }
    }
}

fn content(raw: &str) -> SecretString {
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned()).into()
}

/// The fields of an object in their order, each with its text.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    fields.push((Cow::Owned(name), value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const TEXT: &str = r#"{"user": "app", "port": 5432, "tls": null, "hosts": ["a", "b"], "n": {"x": true}, "e": "",
        "id": 12345678901234567890123, "b": 100.00, "o": {"z": 1.10, "a": 1E400}, "it's": {"q\"": "é\n"}}"#;

    #[test]
    fn one_match_is_the_value_to_the_letter() {
        let text = &TEXT.replace("1E400", "1e2");
        for (path, expected) in [
            ("$.user", "app"),
            ("$['user']", "app"),
            ("$.port", "5432"),
            ("$.tls", "null"),
            ("$.hosts", r#"["a", "b"]"#),
            ("$.hosts[1]", "b"),
            ("$.n", r#"{"x": true}"#),
            ("$.e", ""),
            ("$.hosts[?@ == 'b']", "b"),
            ("$.id", "12345678901234567890123"),
            ("$.b", "100.00"),
            ("$.o", r#"{"z": 1.10, "a": 1e2}"#),
            ("$..x", "true"),
            (r#"$["it's"]["q\""]"#, "é\n"),
        ] {
            check_path(path).expect(path);
            assert_eq!(find(text, path).expect(path).expose_secret(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_value() {
        for (text, path, expected) in [
            (TEXT, "$.none", "is no JSON"),
            (r#"{"a": [1, 2]}"#, "$.none", "matches nothing"),
            (r#"{"a": [1, 2]}"#, "$.a[*]", "matches 2 values, not one"),
            (r#"{"a": {"x": 1, "x": 2}}"#, "$.a.x", "same field twice"),
            ("s3cr3t", "$.a", "no JSON"),
        ] {
            let error = find(text, path).map(drop).expect_err(path);
            assert!(error.contains(expected), "{path}: {error}");
        }
    }

    /// A small value and a short path could match millions of times, each a pointer in memory.
    #[test]
    fn paths_that_multiply_are_refused() {
        for path in ["$..*..*", "$..*.*.*.*.*", "$[*,*][*,*]", "$..[?@..x]", "$[", "user"] {
            assert!(check_path(path).is_err(), "{path}");
        }
        for path in ["$..*", "$.a[*].b", "$['..']['*']['?,:*..']", r#"$["\"..*"]..x"#, "$[1:3]", "$.a[?@.b == '..']"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn fields_are_those_of_an_object() {
        let fields_of = |text: &str| fields(text).map(|fields| fields.into_iter().collect::<Vec<_>>());
        let read = fields_of(TEXT).expect("an object");
        let find =
            |wanted: &str| read.iter().find(|(name, _)| name == wanted).map(|(_, v)| v.expose_secret().to_owned());
        assert_eq!(find("o").as_deref(), Some(r#"{"z": 1.10, "a": 1E400}"#));
        assert_eq!((find("b").as_deref(), find("user").as_deref()), (Some("100.00"), Some("app")));
        for (text, expected) in [
            ("[1]", "no object"),
            ("1", "no object"),
            ("{'a': 1}", "no JSON"),
            (r#"{"s3cr3t": 1, "b": 2, "s3cr3t": 3}"#, "(field 3)"),
        ] {
            let error = fields_of(text).map(drop).expect_err(text);
            assert!(error.contains(expected) && !error.contains("s3cr3t"), "{text}: {error}");
        }
    }
}
