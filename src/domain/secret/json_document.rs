//! JSON as it is written: nodes are parts of the text, so that no digit and no blank of them changes. Everything takes time
//! linear in the text, however deep it is nested: the ends of objects and arrays are found once, when the text is parsed.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::domain::steps;

/// A valid JSON text.
pub(super) struct Document<'a> {
    text: &'a str,
    /// Beginning and end of each object and array, in the order of their beginnings.
    ends: Vec<(usize, usize)>,
}

/// One value within a document.
#[derive(Clone, Copy)]
pub(super) struct Node<'d, 'a> {
    document: &'d Document<'a>,
    at: usize,
}

/// What kind of value a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    /// A number, `true`, `false` or `null`.
    Other,
}

impl<'a> Document<'a> {
    /// Returns the document, or `None` if the text is no JSON.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let root: &RawValue = serde_json::from_str(text).ok()?;
        Some(Self { text: root.get(), ends: ends(root.get()) })
    }

    /// Returns the value that is the whole document.
    pub(super) const fn root(&self) -> Node<'_, 'a> {
        Node { document: self, at: 0 }
    }
}

/// Finds the beginning and end of each object and array in a valid text.
fn ends(text: &str) -> Vec<(usize, usize)> {
    steps::count(text.len());
    let (mut ends, mut open) = (Vec::new(), Vec::new());
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                open.push(ends.len());
                ends.push((at, text.len()));
            }
            b'}' | b']' => {
                if let Some(container) = open.pop().and_then(|index: usize| ends.get_mut(index)) {
                    container.1 = at + 1;
                }
            }
            _ => {}
        }
    }
    ends
}

impl<'d, 'a> Node<'d, 'a> {
    /// Returns what kind of value this is.
    pub(super) fn kind(self) -> Kind {
        match self.rest().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            _ => Kind::Other,
        }
    }

    /// Returns the text of the value, to the letter.
    pub(super) fn text(self) -> &'a str {
        &self.document.text[self.at..self.end()]
    }

    /// Returns the fields of an object in their order. Names may repeat; one that is no valid Unicode is `None`. There are
    /// none in other values.
    pub(super) fn fields(self) -> impl Iterator<Item = (Option<Cow<'a, str>>, Self)> + use<'d, 'a> {
        let mut next = self.first(Kind::Object);
        std::iter::from_fn(move || {
            let name = next.filter(|name| name.kind() == Kind::String)?;
            let value = name.following(':')?;
            next = value.following(',');
            Some((string(name.text()), value))
        })
    }

    /// Returns the items of an array in their order. There are none in other values.
    pub(super) fn items(self) -> impl Iterator<Item = Self> + use<'d, 'a> {
        let mut next = self.first(Kind::Array);
        std::iter::from_fn(move || {
            let item = next?;
            next = item.following(',');
            Some(item)
        })
    }

    /// Returns the first name or item of a container of this kind.
    fn first(self, kind: Kind) -> Option<Self> {
        let first = Self { at: self.at + 1, ..self }.after_blanks();
        (self.kind() == kind && !first.rest().starts_with(['}', ']'])).then_some(first)
    }

    /// Returns what follows this value after a separator.
    fn following(self, separator: char) -> Option<Self> {
        let end = Self { at: self.end(), ..self }.after_blanks();
        end.rest().starts_with(separator).then(|| Self { at: end.at + 1, ..end }.after_blanks())
    }

    fn after_blanks(self) -> Self {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        steps::count(blanks + 1);
        Self { at: self.at + blanks, ..self }
    }

    fn rest(self) -> &'a str {
        self.document.text.get(self.at..).unwrap_or_default()
    }

    /// Returns where the value ends.
    fn end(self) -> usize {
        let length = match self.kind() {
            Kind::Object | Kind::Array => {
                let ends = &self.document.ends;
                steps::count(1);
                let found =
                    ends.binary_search_by_key(&self.at, |container| container.0).ok().and_then(|at| ends.get(at));
                return found.map_or(self.document.text.len(), |container| container.1);
            }
            Kind::String => string_length(self.rest()),
            Kind::Other => {
                let is_end = |c: char| matches!(c, ',' | '}' | ']' | ' ' | '\t' | '\n' | '\r');
                self.rest().find(is_end).unwrap_or(self.rest().len())
            }
        };
        steps::count(length);
        self.at + length
    }
}

/// Returns the length of the string that a valid text begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Returns the content of a JSON string; `None` if no text can hold it, since it has half of a surrogate pair.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    steps::count(raw.len());
    if raw.contains('\\') {
        return serde_json::from_str::<String>(raw).ok().map(Cow::Owned);
    }
    raw.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_parts_of_the_text() {
        let text = r#" { "a\"}" : [1.10 , {"x": "]\\"} ,[]] , "b":-0, "c" : {} } "#;
        let document = Document::parse(text).expect("JSON");
        let fields: Vec<_> = document.root().fields().map(|(name, node)| (name.expect("a name"), node)).collect();
        let texts: Vec<_> = fields.iter().map(|(name, node)| (&**name, node.text())).collect();
        assert_eq!(texts, [("a\"}", r#"[1.10 , {"x": "]\\"} ,[]]"#), ("b", "-0"), ("c", "{}")]);
        let items: Vec<_> = fields[0].1.items().map(|node| (node.kind(), node.text())).collect();
        let expected = [(Kind::Other, "1.10"), (Kind::Object, r#"{"x": "]\\"}"#), (Kind::Array, "[]")];
        assert_eq!(items, expected);
        assert_eq!((fields[2].1.fields().count(), fields[1].1.items().count()), (0, 0));
        assert!(Document::parse("{'a': 1}").is_none());
    }
}
