//! Where the keys of a Secret come from.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    patterns::{PARAMETER, PARAMETER_LABEL},
    target::BoundedMap,
};

/// One key of the Secret and the parameter behind it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.version), has(self.label), has(self.previous) && self.previous].filter(x, x).size() <= 1").message("version, label and previous exclude each other"),
    validation = Rule::new("!self.parameter.matches('^(arn:[^/]*)?/?aws/reference/secretsmanager/') || !(has(self.version) || has(self.previous) && self.previous)").message("a secret of Secrets Manager has no version numbers; use label for one of its stages"),
)]
pub struct DataEntry {
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    #[x_kube(validation = Rule::new("self != '.' && self != '..' && !self.startsWith('..')").message("a Secret's key must not be . or begin with .."))]
    pub key: String,

    /// Name of the parameter, for example `/shop/db-password`, or its full ARN if another account shares it. Versions
    /// and labels go into their own fields.
    #[schemars(length(min = 1, max = 2048), regex(pattern = PARAMETER))]
    pub parameter: String,

    /// A fixed version of the parameter. Default: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<i64>,

    /// The version that carries this label. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = PARAMETER_LABEL))]
    pub label: Option<String>,

    /// If true, the version before the newest one, so that both are there while a value is rotated. A parameter that has
    /// only one version has none. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<bool>,

    /// Says that the value is base64 of what was encrypted with KMS by hand before it was stored: it is decrypted once
    /// more, before all else. `{}` if the ciphertext itself says which key it was. Default: not encrypted by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_decrypt: Option<KmsDecrypt>,

    /// A JSONPath (RFC 9535) into the value, which must be JSON: what exactly one match holds becomes the value of the
    /// key, strings as they are and everything else as JSON text. Default: the value as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^\$"))]
    pub json_path: Option<String>,

    /// How the value, or what `jsonPath` found in it, is encoded: it is decoded for the Secret. The result may be binary.
    /// Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Decode")]
    pub decode: Option<Decode>,

    /// If true and the parameter does not exist, the key is left out of the Secret. Default: false, the object fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// How a value was encrypted by hand.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KmsDecrypt {
    /// The key: its ARN, its id, or the ARN or name of an alias. Nothing that another key encrypted is taken then.
    /// Default: the key that the ciphertext names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 2048),
        regex(
            pattern = r"^((arn:aws[a-zA-Z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?alias/[a-zA-Z0-9/_-]{1,250}|(arn:aws[a-zA-Z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/)?([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}))$"
        )
    )]
    pub key_id: Option<String>,

    /// The encryption context that was given to KMS. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BoundedMap<2048>")]
    #[x_kube(validation = Rule::new("!('PARAMETER_ARN' in self || 'SecretARN' in self)").message("PARAMETER_ARN and SecretARN bind what AWS itself encrypts; name the parameter or secret instead"))]
    pub encryption_context: BTreeMap<String, String>,
}

/// An encoding of a value.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decode {
    /// RFC 4648, section 4, with padding. White space is ignored.
    Base64,
    /// RFC 4648, section 5, with or without padding. White space is ignored.
    Base64Url,
}

/// A source of several keys.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.path) != has(self.parameter)").message("exactly one of path and parameter must be set"))]
pub struct DataFromEntry {
    /// All parameters below a path, a key each. This or `parameter` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathSource>,

    /// One parameter whose value holds several fields, a key each. This or `path` must be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<ParameterSource>,

    /// How the names of parameters or fields become keys of the Secret. Default: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyMapping>,
}

/// The parameters below a path.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathSource {
    /// The path, for example `/shop/checkout`. Keys are made of what follows it in the names. Not `/` itself.
    #[schemars(length(min = 1, max = 1011), regex(pattern = r"^(/[a-zA-Z0-9_.-]+)+/?$"))]
    pub prefix: String,

    /// If true, also parameters further down, not only those directly below. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,

    /// Globs for the names relative to the path, for example `db/*`: only parameters that one of them matches. `*` stops
    /// at `/`, `**` does not. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256), regex(pattern = r"^[^/{}]([^{}]*[^/{}])?$")))]
    pub include: Vec<String>,

    /// Globs for the names relative to the path: no parameters that one of them matches, whatever `include` says.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256), regex(pattern = r"^[^/{}]([^{}]*[^/{}])?$")))]
    pub exclude: Vec<String>,

    /// Only versions that carry this label, and only parameters that have one. Default: the newest of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = PARAMETER_LABEL))]
    pub label: Option<String>,
}

/// A parameter whose value holds several fields.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.version) && has(self.label))").message("version and label exclude each other"),
    validation = Rule::new("!self.name.matches('^(arn:[^/]*)?/?aws/reference/secretsmanager/') || !has(self.version)").message("a secret of Secrets Manager has no version numbers; use label for one of its stages"),
)]
pub struct ParameterSource {
    /// Name of the parameter, or its full ARN if another account shares it.
    #[schemars(length(min = 1, max = 2048), regex(pattern = PARAMETER))]
    pub name: String,

    /// A fixed version of the parameter. Default: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<i64>,

    /// The version that carries this label. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = PARAMETER_LABEL))]
    pub label: Option<String>,

    /// What the value is written in.
    pub format: Format,
}

/// What the value of a parameter with several fields is written in.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// A JSON object. Each of its fields becomes a key: strings as they are, everything else as JSON text.
    Json,
    /// Lines of `NAME=value`; `#` begins a comment, `export` is allowed, values may be in single or double quotes.
    Dotenv,
}

/// How names become keys of the Secret.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyMapping {
    /// `Name`: as it is, with `/` as `.`. `EnvVar`: in upper case, with `_` for all that is no letter and no digit.
    /// Default: `Name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyFormat")]
    pub format: Option<KeyFormat>,

    /// Put in front of each key. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub prefix: Option<String>,
}

/// The form of keys.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyFormat {
    /// The name, with `/` as `.`.
    #[default]
    Name,
    /// As environment variables are written.
    EnvVar,
}
