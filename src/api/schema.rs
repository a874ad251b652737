//! Schemas of lists and maps of text, with bounds and rules for each entry.

use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::api::{identity_rules, rules};

/// Text of a bounded length that follows rules.
fn text(least: usize, most: usize, rules: &[Rule]) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": least,
        "maxLength": most,
        "x-kubernetes-validations": rules,
    })
}

/// Defines types that stand for the schema of text within a list or map.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $least:literal..=$most:literal, [$($rule:expr),* $(,)?];)+) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    text($least, $most, &[$($rule),*])
                }

                fn inline_schema() -> bool {
                    true
                }
            }
        )+
    };
}

texts! {
    /// A glob on names of fields, or on names relative to a path.
    RelativeGlob = 1..=256, [rules::relative_glob(), rules::no_alternatives()];
    /// A glob on names or ARNs of parameters.
    AccessGlob = 1..=256, [rules::access_glob(), rules::placeholder()];
    /// A glob on KMS keys.
    KmsKeyGlob = 1..=256, [rules::kms_key_glob(), rules::placeholder()];
    /// A glob on the KMS keys that encrypt parameters.
    EncryptionKeyGlob = 1..=256, [rules::encryption_key_glob(), rules::placeholder()];
    /// The name of a namespace.
    NamespaceName = 1..=63, [rules::label_name()];
    /// The audience of a token.
    Audience = 1..=256, [identity_rules::audience()];
    /// The key of a session tag.
    TagKey = 1..=128, [identity_rules::tag_key()];
    /// A key of a Secret.
    SecretKeyName = 1..=253, [rules::secret_key()];
    /// The value of a label.
    LabelValue = 0..=63, [rules::label_value()];
}

/// A map of at most `ENTRIES` labels.
pub(super) struct LabelMap<const ENTRIES: usize>;

impl<const ENTRIES: usize> JsonSchema for LabelMap<ENTRIES> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("LabelMap{ENTRIES}").into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": ENTRIES,
            "additionalProperties": LabelValue::json_schema(generator),
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A map of at most 64 entries with values of at most `LENGTH` characters.
pub(super) struct BoundedMap<const LENGTH: usize>;

impl<const LENGTH: usize> JsonSchema for BoundedMap<LENGTH> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("BoundedMap{LENGTH}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {"type": "string", "maxLength": LENGTH},
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// The tags of a session, with the lengths that STS allows (STS API reference, Tag).
pub(super) struct SessionTags;

impl JsonSchema for SessionTags {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SessionTags".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 20,
            "additionalProperties": {"type": "string", "maxLength": 256},
        })
    }

    fn inline_schema() -> bool {
        true
    }
}
