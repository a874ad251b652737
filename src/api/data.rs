//! Where the keys of a Secret come from.

use std::{collections::BTreeMap, sync::LazyLock};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    key_mapping::KeyMapping,
    rules,
    schema::{BoundedMap, RelativeGlob},
    sparse::{HasDefault, Sparse},
};

/// CEL: whether a name is a reference to Secrets Manager.
const IS_REFERENCE: &str = "self.parameter.matches('^(arn:[^/]*)?/?aws/reference/secretsmanager/')";

/// A reference to Secrets Manager has no version numbers.
fn no_version_of_reference() -> kube::core::Rule {
    kube::core::Rule::new(format!(
        "!has(self.parameter) || !{IS_REFERENCE} || !(has(self.version) || has(self.previous) && self.previous)"
    ))
    .message("a secret of Secrets Manager has no version numbers; use label for one of its stages")
}

/// At most one of the fields that choose a version.
fn one_version() -> kube::core::Rule {
    kube::core::Rule::new(
        "[has(self.version), has(self.label), has(self.previous) && self.previous].filter(x, x).size() <= 1",
    )
    .message("version, label and previous exclude each other")
}

/// One key of the Secret and the parameter behind it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = one_version(), validation = no_version_of_reference())]
pub struct DataEntry {
    /// The key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_key(), validation = rules::secret_key_is_file())]
    pub key: String,

    /// The name of the parameter, for example `/shop/db-password`, or its ARN if another account shares it. The store's
    /// `prefix` is put before a name.
    #[schemars(length(min = 1, max = 1280))]
    #[x_kube(
        validation = rules::no_version_in_name(),
        validation = rules::no_label_in_name(),
        validation = rules::no_empty_level(),
        validation = rules::no_slash_at_end(),
        validation = rules::no_blank(),
        validation = rules::levels(),
        validation = rules::name_length(),
        validation = rules::parameter_name()
    )]
    pub parameter: String,

    /// Which version is read, and what is done with its value.
    #[serde(flatten)]
    pub value: Sparse<ValueOptions>,
}

/// One source of several keys: a parameter whose value has fields, or the parameters below a path.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.path) != has(self.parameter)").message("exactly one of parameter and path must be set"),
    validation = Rule::new("!has(self.parameter) || has(self.format)").message("format is required beside parameter: JSON or Dotenv"),
    validation = Rule::new("!has(self.path) || !has(self.format)").message("format belongs to parameter; a parameter below a path becomes one key as a whole"),
    validation = Rule::new("!has(self.path) || !(has(self.version) || has(self.previous))").message("version and previous belong to parameter; below a path only label chooses versions"),
    validation = Rule::new("!has(self.path) || !(has(self.kmsDecrypt) || has(self.jsonPath) || has(self.decode))").message("kmsDecrypt, jsonPath and decode belong to parameter; parameters below a path are taken as they are"),
    validation = Rule::new("!has(self.parameter) || !has(self.recursive)").message("recursive belongs to path"),
    validation = one_version(),
    validation = no_version_of_reference()
)]
pub struct DataFromEntry {
    /// The name or ARN of one parameter; each field of its value becomes a key. This or `path` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1280))]
    #[x_kube(
        validation = rules::no_version_in_name(),
        validation = rules::no_label_in_name(),
        validation = rules::no_empty_level(),
        validation = rules::no_slash_at_end(),
        validation = rules::no_blank(),
        validation = rules::levels(),
        validation = rules::name_length(),
        validation = rules::parameter_name()
    )]
    pub parameter: Option<String>,

    /// A path, for example `/shop/checkout`; each parameter below it becomes a key, named after what follows the path. The
    /// store's `prefix` is put before it. This or `parameter` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1280))]
    #[x_kube(
        validation = rules::path_start(),
        validation = rules::no_empty_level(),
        validation = rules::no_blank(),
        validation = rules::no_label_in_path(),
        validation = rules::no_wildcard_in_path(),
        validation = rules::levels(),
        validation = rules::name_length(),
        validation = rules::path()
    )]
    pub path: Option<String>,

    /// The syntax of the parameter's value. Required beside `parameter`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Format")]
    pub format: Option<Format>,

    /// If true, parameters further down are read too, not only those directly below the path. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,

    /// Globs on the names of fields, or on names relative to the path, for example `db/*`. A name that none of them matches
    /// is left out. `*` stops at `/`, `**` does not. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<RelativeGlob>", length(max = 32))]
    pub include: Vec<String>,

    /// Globs on the same names. A name that one of them matches is left out, even if `include` has it. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<RelativeGlob>", length(max = 32))]
    pub exclude: Vec<String>,

    /// How the names become keys of the Secret. Default: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyMapping>,

    /// Which version is read, and what is done with its value.
    #[serde(flatten)]
    pub value: ValueOptions,
}

/// Which version of a parameter is read, and what is done with its value: first `kmsDecrypt`, then `jsonPath`, then
/// `decode`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueOptions {
    /// A fixed version of the parameter. Default: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<i64>,

    /// The label of the version to read. Below a path, only parameters with this label are read. Default: none, the newest
    /// version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(validation = rules::parameter_label())]
    pub label: Option<String>,

    /// If true, the version before the newest one is read, so that a Secret can hold both while a value is rotated. Default:
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<bool>,

    /// Set if the value was encrypted with KMS before it was stored, and is the base64 of that ciphertext: KMS decrypts it
    /// once more, before anything else is done with it. `{}` uses the key that the ciphertext names. Default: no second
    /// decryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_decrypt: Option<KmsDecrypt>,

    /// A path into the value, which must be JSON, to the one node that is used: an RFC 9535 singular query of names and
    /// indices, for example `$.db['pass-word'][0]`. Text is used as it is, everything else as JSON. Default: the whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = rules::json_path_root(), validation = rules::json_path())]
    pub json_path: Option<String>,

    /// The encoding of the value, or of the node that `jsonPath` found. It is decoded; the result may be binary. Default: no
    /// encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Decode")]
    pub decode: Option<Decode>,

    /// If true, a parameter that does not exist, or a path without parameters, is no error: it gives no keys. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

impl HasDefault for ValueOptions {
    fn default_ref() -> &'static Self {
        static NO_OPTIONS: LazyLock<ValueOptions> = LazyLock::new(ValueOptions::default);
        &NO_OPTIONS
    }
}

/// How a value was encrypted before it was stored.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KmsDecrypt {
    /// The key: its ARN, its id, or the ARN or name of an alias. KMS then refuses a value that another key encrypted.
    /// Default: the key that the ciphertext names.
    #[serde(default, rename = "keyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = rules::kms_key())]
    pub key_id: Option<String>,

    /// The encryption context that the value was encrypted with. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BoundedMap<2048>")]
    #[x_kube(validation = rules::encryption_context())]
    pub encryption_context: BTreeMap<String, String>,
}

/// An encoding of a value.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decode {
    /// RFC 4648, section 4, with padding. White space is ignored.
    Base64,
    /// RFC 4648, section 5, with or without padding. White space is ignored.
    #[serde(rename = "Base64URL")]
    Base64Url,
}

impl Decode {
    /// The name as the spec spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "Base64",
            Self::Base64Url => "Base64URL",
        }
    }
}

/// The syntax of a value with several fields.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// A JSON object. Each of its fields becomes a key: text as it is, everything else as JSON.
    #[serde(rename = "JSON")]
    Json,
    /// Lines of `NAME=value`; `#` begins a comment, `export` is allowed, values may be in single or double quotes.
    Dotenv,
}
