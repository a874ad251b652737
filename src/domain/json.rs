//! Values that are JSON.

use std::collections::BTreeSet;

use jsonpath_rust::JsonPath;
use secrecy::{SecretString, zeroize::Zeroize};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

/// A parsed value. Its texts are wiped when it is dropped; Debug shows nothing.
pub struct Json(Value);

impl Json {
    /// Parses. None for what is not JSON; why is not told, since parsers quote.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// What exactly one match of a JSONPath holds: strings as they are, everything else as JSON text.
    ///
    /// # Errors
    /// What is wrong with the path or its matches, as the end of a sentence that begins with the path.
    pub fn find(&self, path: &str) -> Result<SecretString, String> {
        // The error of the query quotes the path, but may quote more in another version: what it says is not passed on.
        let found = self.0.query(path).map_err(|_| "is no JSONPath as RFC 9535 has it".to_owned())?;
        match found[..] {
            [one] => Ok(text(one)),
            [] => Err("matches nothing".to_owned()),
            _ => Err(format!("matches {} values, not one", found.len())),
        }
    }

    /// The first field that an object has twice, of which parsing keeps the last.
    pub fn repeated_field(text: &str) -> Option<String> {
        serde_json::from_str::<Repeated>(text).ok()?.0
    }

    /// The fields of an object; none if it is no object.
    pub fn fields(&self) -> Option<impl Iterator<Item = (&str, SecretString)>> {
        self.0.as_object().map(|fields| fields.iter().map(|(name, value)| (name.as_str(), text(value))))
    }
}

impl Drop for Json {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Json")
    }
}

struct Repeated(Option<String>);

impl<'de> Deserialize<'de> for Repeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Repeated;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repeated, A::Error> {
                let mut names = BTreeSet::new();
                let mut repeated = None;
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    if !names.insert(name.clone()) {
                        repeated.get_or_insert(name);
                    }
                }
                Ok(Repeated(repeated))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

fn text(value: &Value) -> SecretString {
    match value {
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const TEXT: &str = r#"{"user": "app", "port": 5432, "tls": null, "hosts": ["a", "b"], "n": {"x": true}, "e": ""}"#;

    #[test]
    fn one_match_is_the_value() {
        let json = Json::parse(TEXT).expect("JSON");
        for (path, expected) in [
            ("$.user", "app"),
            ("$['user']", "app"),
            ("$.port", "5432"),
            ("$.tls", "null"),
            ("$.hosts", r#"["a","b"]"#),
            ("$.hosts[1]", "b"),
            ("$.n", r#"{"x":true}"#),
            ("$.e", ""),
            ("$.hosts[?@ == 'b']", "b"),
        ] {
            assert_eq!(json.find(path).expect(path).expose_secret(), expected, "{path}");
        }
        for (path, expected) in
            [("$.none", "matches nothing"), ("$.hosts[*]", "matches 2 values, not one"), ("$.[", "is no JSONPath")]
        {
            let error = json.find(path).map(drop).expect_err(path);
            assert!(error.contains(expected), "{path}: {error}");
        }
    }

    #[test]
    fn fields_are_those_of_an_object() {
        let json = Json::parse(TEXT).expect("JSON");
        let fields: Vec<_> = json.fields().expect("an object").map(|(name, _)| name.to_owned()).collect();
        assert_eq!(fields, ["e", "hosts", "n", "port", "tls", "user"]);
        for text in ["[1]", "1", "null"] {
            assert!(Json::parse(text).expect("JSON").fields().is_none(), "{text}");
        }
        assert!(Json::parse("{'a': 1}").is_none());
        assert_eq!(Json::repeated_field(r#"{"a": {"b": 1}, "b": 2, "a": 3}"#).as_deref(), Some("a"));
        assert_eq!(Json::repeated_field(TEXT), None);
        assert_eq!(format!("{:?}", Json::parse(TEXT)), "Some(Json)");
    }
}
