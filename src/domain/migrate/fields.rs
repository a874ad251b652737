//! The fields of an object, taken one by one. What nobody has taken at the end is reported, so that no field is lost in
//! silence.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::migrate::note::Notes;

/// The fields of one object that were not taken yet. What is left when it is dropped is reported as not translated.
pub(super) struct Fields<'n> {
    left: Map<String, Value>,
    place: String,
    notes: &'n Notes,
}

impl<'n> Fields<'n> {
    /// Begins to read an object. `place` is where it stands; empty for the root.
    pub(super) fn new(value: Value, place: impl Into<String>, notes: &'n Notes) -> Self {
        let place = place.into();
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            _ => {
                notes.not_translated(&place, "this is not an object with fields");
                Map::new()
            }
        };
        Self { left: fields, place, notes }
    }

    /// Returns where a field stands.
    pub(super) fn place(&self, field: &str) -> String {
        match (self.place.as_str(), field) {
            (place, "") => place.to_owned(),
            ("", field) => field.to_owned(),
            (place, field) => format!("{place}.{field}"),
        }
    }

    /// Returns the notes that what is read is reported to.
    pub(super) const fn notes(&self) -> &'n Notes {
        self.notes
    }

    /// Takes a field as it is; `None` if it is missing or null.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        self.left.remove(field).filter(|value| !value.is_null())
    }

    /// Takes a field that holds text; empty text counts as missing, as in Go.
    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        if let Value::String(text) = self.take(field)? {
            Some(text).filter(|text| !text.is_empty())
        } else {
            self.wrong(field, "text");
            None
        }
    }

    /// Takes a field that is true or false.
    pub(super) fn boolean(&mut self, field: &str) -> bool {
        match self.take(field) {
            None => false,
            Some(Value::Bool(value)) => value,
            Some(_) => {
                self.wrong(field, "true or false");
                false
            }
        }
    }

    /// Takes a field that is an object.
    pub(super) fn object(&mut self, field: &str) -> Option<Fields<'n>> {
        let value = self.take(field)?;
        Some(Fields::new(value, self.place(field), self.notes))
    }

    /// Takes a field that is a list, each item with its place.
    pub(super) fn list(&mut self, field: &str) -> Vec<(String, Value)> {
        let place = self.place(field);
        match self.take(field) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                items.into_iter().enumerate().map(|(index, item)| (format!("{place}[{index}]"), item)).collect()
            }
            Some(_) => {
                self.wrong(field, "a list");
                Vec::new()
            }
        }
    }

    /// Takes a field that is a list of objects.
    pub(super) fn objects(&mut self, field: &str) -> Vec<Fields<'n>> {
        let notes = self.notes;
        self.list(field).into_iter().map(|(place, item)| Fields::new(item, place, notes)).collect()
    }

    /// Takes a field that is a list of texts.
    pub(super) fn texts(&mut self, field: &str) -> Vec<String> {
        let items = self.list(field);
        let texts: Option<Vec<String>> = items.into_iter().map(|(_, item)| Some(item.as_str()?.to_owned())).collect();
        texts.unwrap_or_else(|| {
            self.wrong(field, "a list of texts");
            Vec::new()
        })
    }

    /// Takes a field that is a map of texts.
    pub(super) fn map(&mut self, field: &str) -> BTreeMap<String, String> {
        let Some(value) = self.take(field) else { return BTreeMap::new() };
        serde_json::from_value(value).unwrap_or_else(|_| {
            self.wrong(field, "a map of texts");
            BTreeMap::new()
        })
    }

    /// Takes fields that mean nothing here.
    pub(super) fn ignore(&mut self, fields: &[&str]) {
        for field in fields {
            self.left.remove(*field);
        }
    }

    /// Takes all fields, where none of them matters.
    pub(super) fn ignore_all(&mut self) {
        self.left.clear();
    }

    fn wrong(&self, field: &str, expected: &str) {
        self.notes.not_translated(&self.place(field), format!("this should be {expected}, and could not be read"));
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        for (field, value) in std::mem::take(&mut self.left) {
            if !value.is_null() {
                let text = "this command does not know this field, so what it asks for is missing in the translation";
                self.notes.not_translated(&self.place(&field), text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_takes_is_reported() {
        let notes = Notes::default();
        let mut root = Fields::new(json!({"spec": {"a": "x", "b": 1, "c": null, "d": {"e": 1}}}), "", &notes);
        let mut spec = root.object("spec").expect("an object");
        assert_eq!(spec.text("a").as_deref(), Some("x"));
        assert_eq!(spec.text("b"), None);
        drop((spec, root));
        let places: Vec<_> = notes.into_sorted().into_iter().map(|note| note.field).collect();
        assert_eq!(places, ["spec.b", "spec.d"]);
    }
}
