//! Values that are JSON. What is taken from one is its own text, to the letter: numbers are not rounded, fields are not
//! sorted. All work is linear in the text. Errors hold nothing of a value, not even a field name.

use std::collections::HashSet;

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Returns the fields of an object in their order: the content of strings, the text of any other value.
///
/// # Errors
/// What is wrong with the value, as the end of a sentence that begins with it.
pub(crate) fn fields(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let root: &RawValue = serde_json::from_str(text).map_err(|_| "is not JSON")?;
    if !root.get().starts_with('{') {
        return Err("is JSON, but not an object".to_owned());
    }
    let object: Object<'_> =
        serde_json::from_str(root.get()).map_err(|_| "has a field name that is not valid Unicode")?;
    let mut names = HashSet::new();
    if let Some(index) = object.0.iter().position(|(name, _)| !names.insert(name)) {
        return Err(format!("has the same field twice (field {})", index + 1));
    }
    let contents = object.0.into_iter().enumerate().map(|(index, (name, raw))| {
        let content = content(raw.get()).ok_or_else(|| format!("is not valid Unicode in field {}", index + 1))?;
        Ok((name, content))
    });
    contents.collect()
}

/// Reports whether a text is JSON.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Returns the content of a JSON string, or the text of any other JSON value as it is; `None` for a string that no text
/// can hold, since it has half of a surrogate pair.
pub(super) fn content(raw: &str) -> Option<SecretString> {
    if raw.starts_with('"') {
        return serde_json::from_str::<String>(raw).ok().map(Into::into);
    }
    Some(raw.to_owned().into())
}

/// The fields of a JSON object in their order, each with the text of its value. Names may repeat.
pub(super) struct Object<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn contents(text: &str) -> Result<Vec<(String, String)>, String> {
        let fields = fields(text)?.into_iter();
        Ok(fields.map(|(name, content)| (name, content.expose_secret().to_owned())).collect())
    }

    #[test]
    fn fields_keep_their_order_and_their_text() {
        let text = r#" {"user": "a\"pp", "o": {"z": 1.10, "a": 1E400}, "b": 100.00, "n": null, "": "", "l": [ 1 ]} "#;
        let expected = [
            ("user", "a\"pp"),
            ("o", r#"{"z": 1.10, "a": 1E400}"#),
            ("b", "100.00"),
            ("n", "null"),
            ("", ""),
            ("l", "[ 1 ]"),
        ];
        assert_eq!(contents(text), Ok(expected.map(|(name, content)| (name.to_owned(), content.to_owned())).into()));
    }

    #[test]
    fn an_error_names_the_field_by_its_place() {
        for (text, expected) in [
            ("[1]", "is JSON, but not an object"),
            ("1", "is JSON, but not an object"),
            ("{'a': 1}", "is not JSON"),
            ("", "is not JSON"),
            (r#"{"s3cr3t": 1, "b": 2, "s3cr3t": 3}"#, "has the same field twice (field 3)"),
            (r#"{"a": 1, "s3cr3t": "\ud83d"}"#, "is not valid Unicode in field 2"),
            (r#"{"s3cr3t\ud83d": 1}"#, "has a field name that is not valid Unicode"),
        ] {
            assert_eq!(contents(text), Err(expected.to_owned()), "{text}");
        }
    }
}
