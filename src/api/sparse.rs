//! A value that is mostly nothing but its default.

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type with a default that can be borrowed for ever.
pub trait HasDefault: Default + PartialEq + 'static {
    /// Returns the default.
    fn default_ref() -> &'static Self;
}

/// A value that takes the room of a pointer while it is the default. In JSON and in its schema it is the value itself.
#[derive(Clone, Debug, Default)]
pub struct Sparse<T>(Option<Box<T>>);

impl<T: HasDefault> Sparse<T> {
    /// Reports whether it takes no room of its own.
    pub fn is_default(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the value to change it, unless it is the default and takes no room.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Gives back the memory of a value that is the default again.
    pub fn shrink_to_fit(&mut self) {
        self.0.take_if(|value| **value == *T::default_ref());
    }
}

impl<T: HasDefault> From<T> for Sparse<T> {
    fn from(value: T) -> Self {
        Self((value != *T::default_ref()).then(|| Box::new(value)))
    }
}

impl<T: HasDefault> Deref for Sparse<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => T::default_ref(),
        }
    }
}

impl<T: HasDefault> DerefMut for Sparse<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: HasDefault> PartialEq for Sparse<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: HasDefault + Serialize> Serialize for Sparse<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: HasDefault + Deserialize<'de>> Deserialize<'de> for Sparse<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

impl<T: JsonSchema> JsonSchema for Sparse<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{DataEntry, ValueOptions};

    #[test]
    fn a_default_takes_no_room() {
        let mut value = Sparse::from(ValueOptions::default());
        assert!(value.is_default() && value == Sparse::default());
        value.optional = Some(true);
        value.shrink_to_fit();
        assert_eq!(value.optional, Some(true));
        value.optional = None;
        value.shrink_to_fit();
        assert!(value.is_default());
    }

    #[test]
    fn json_shows_the_value_alone() {
        for json in [json!({"key": "A", "parameter": "/a"}), json!({"key": "A", "parameter": "/a", "optional": true})] {
            let entry: DataEntry = serde_json::from_value(json.clone()).expect("an entry");
            assert_eq!(entry.value.is_default(), json.get("optional").is_none());
            assert_eq!(serde_json::to_value(entry).expect("JSON"), json);
        }
    }
}
