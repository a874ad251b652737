//! Values that are JSON. What is taken from one is its own text, to the letter: numbers are not rounded, fields are not
//! sorted. All work is linear in the text. Errors hold nothing of a value, not even a field name.

use std::collections::HashSet;

use secrecy::SecretString;

use crate::domain::secret::json_document::{Document, Kind, Node, string};

/// Returns the fields of an object in their order: the content of strings, the text of any other value.
///
/// # Errors
/// What is wrong with the value, as the end of a sentence that begins with it.
pub(crate) fn fields(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let document = Document::parse(text).ok_or("is not JSON")?;
    if document.root().kind() != Kind::Object {
        return Err("is JSON, but not an object".to_owned());
    }
    let fields = document.root().fields().map(|(name, node)| Some((name?, node)));
    let fields: Vec<_> = fields.collect::<Option<_>>().ok_or("has a field name that is not valid Unicode")?;
    let mut names = HashSet::new();
    if let Some(index) = fields.iter().position(|(name, _)| !names.insert(name)) {
        return Err(format!("has the same field twice (field {})", index + 1));
    }
    let contents = fields.iter().zip(1..).map(|((name, node), number)| {
        let content = content(*node).ok_or_else(|| format!("is not valid Unicode in field {number}"))?;
        Ok((name.clone().into_owned(), content))
    });
    contents.collect()
}

/// Reports whether a text is JSON.
pub(crate) fn is_json(text: &str) -> bool {
    Document::parse(text).is_some()
}

/// Returns the content of a JSON string, or the text of any other JSON value as it is; `None` for a string that no text
/// can hold, since it has half of a surrogate pair.
pub(super) fn content(node: Node<'_, '_>) -> Option<SecretString> {
    match node.kind() {
        Kind::String => string(node.text()).map(|content| content.into_owned().into()),
        Kind::Object | Kind::Array | Kind::Other => Some(node.text().to_owned().into()),
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
