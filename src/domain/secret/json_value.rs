//! JSON as templates see it. Digits never change: a number that the template engine would write in another way is kept as
//! it is written.

use std::{cmp::Ordering, collections::BTreeMap, fmt, sync::Arc};

use minijinja::value::{DynObject, Object, ObjectRepr, Value, ValueKind};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::domain::secret::json_document::{Document, Kind, Node, string};

/// How deep objects and arrays may be nested.
const MAX_DEPTH: usize = 128;

/// Why a text is no value for a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// It is not JSON, or has a string that no text can hold.
    NotJson,
    /// An object has the same field twice.
    Duplicate,
    /// It is nested too deep.
    TooDeep,
}

/// Returns the value of a JSON text.
pub(super) fn parse(text: &str) -> Result<Value, NoValue> {
    let document = Document::parse(text).ok_or(NoValue::NotJson)?;
    value(document.root(), MAX_DEPTH)
}

fn value(node: Node<'_, '_>, depth: usize) -> Result<Value, NoValue> {
    let inner = || depth.checked_sub(1).ok_or(NoValue::TooDeep);
    match node.kind() {
        Kind::Object => {
            let inner = inner()?;
            let mut fields = BTreeMap::new();
            for (name, node) in node.fields() {
                let name = name.ok_or(NoValue::NotJson)?.into_owned();
                if fields.insert(name, value(node, inner)?).is_some() {
                    return Err(NoValue::Duplicate);
                }
            }
            Ok(Value::from(fields))
        }
        Kind::Array => {
            let inner = inner()?;
            let items = node.items().map(|item| value(item, inner));
            Ok(Value::from(items.collect::<Result<Vec<_>, _>>()?))
        }
        Kind::String => string(node.text()).map(Value::from).ok_or(NoValue::NotJson),
        Kind::Other => Ok(match node.text() {
            "null" => Value::from(()),
            "true" => Value::from(true),
            "false" => Value::from(false),
            number => exact(number).unwrap_or_else(|| Value::from_object(Digits(number.to_owned()))),
        }),
    }
}

/// Returns the number of a text, if the template engine and JSON would write the same text.
fn exact(text: &str) -> Option<Value> {
    let integer = || text.parse::<i64>().ok().filter(|number| number.to_string() == text).map(Value::from);
    let unsigned = || text.parse::<u64>().ok().filter(|number| number.to_string() == text).map(Value::from);
    let float = || {
        let number = text.parse::<f64>().ok()?;
        let is_same = Value::from(number).to_string() == text && serde_json::to_string(&number).ok()? == text;
        is_same.then(|| Value::from(number))
    };
    integer().or_else(unsigned).or_else(float)
}

/// A number that keeps its digits. Templates can write it, but not compute with it.
struct Digits(String);

/// The template engine writes lists and maps in this form, so it has to hold the digits.
impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Object for Digits {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        // Zero has no digit from 1 to 9 before its exponent.
        self.0.chars().take_while(|digit| !matches!(digit, 'e' | 'E')).any(|digit| matches!(digit, '1'..='9'))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that is written as JSON, with the digits that it has.
pub(super) struct Json(pub Value);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(Digits(digits)) = self.0.downcast_object_ref::<Digits>() {
            let raw: &RawValue = serde_json::from_str(digits).map_err(serde::ser::Error::custom)?;
            return raw.serialize(serializer);
        }
        match (self.0.kind(), self.0.as_object()) {
            (ValueKind::Map, Some(map)) => {
                let pairs = map.try_iter_pairs().into_iter().flatten();
                serializer.collect_map(pairs.map(|(key, value)| (key, Self(value))))
            }
            (ValueKind::Seq | ValueKind::Iterable, Some(list)) => {
                serializer.collect_seq(list.try_iter().into_iter().flatten().map(Self))
            }
            _ => self.0.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_never_change() {
        for number in [
            "0",
            "-0",
            "7",
            "1.0",
            "1.10",
            "1.5",
            "0.1",
            "1e3",
            "1E400",
            "-1.5E-7",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "123456789012345678901234567890",
            "0.1000000000000000055",
        ] {
            let value = parse(number).expect("a number");
            assert_eq!(value.to_string(), number);
            let list = parse(&format!(r#"{{"a":[{number}]}}"#)).expect("an object");
            assert_eq!(serde_json::to_string(&Json(list.clone())).expect("JSON"), format!(r#"{{"a":[{number}]}}"#));
            assert!(list.to_string().contains(&format!("[{number}]")), "{list}");
            assert_eq!(value.is_true(), number.parse::<f64>().expect("a number") != 0.0, "{number}");
        }
    }

    #[test]
    fn what_has_no_single_meaning_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)).err(), Some(NoValue::TooDeep));
        assert_eq!(parse(r#"{"a": 1, "\u0061": 2}"#).err(), Some(NoValue::Duplicate));
        assert_eq!(parse(r#"["\ud83d"]"#).err(), Some(NoValue::NotJson));
        assert_eq!(parse("x").err(), Some(NoValue::NotJson));
    }
}
