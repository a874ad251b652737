//! Where the keys of a Secret come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One key of the Secret and the parameter behind it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.version) && has(self.label))").message("version and label exclude each other"),
)]
pub struct DataEntry {
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    #[x_kube(validation = Rule::new("self != '.' && self != '..' && !self.startsWith('..')").message("a Secret's key must not be . or begin with .."))]
    pub key: String,

    /// Name of the parameter, for example `/shop/db-password`, or its full ARN if another account shares it. Versions
    /// and labels go into their own fields.
    #[schemars(
        length(min = 1, max = 2048),
        regex(
            pattern = r"^(arn:aws[a-zA-Z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter)?/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*$"
        )
    )]
    pub parameter: String,

    /// A fixed version of the parameter. Default: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<i64>,

    /// The version that carries this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[a-zA-Z_.-][a-zA-Z0-9_.-]*$"))]
    pub label: Option<String>,

    /// A JSONPath (RFC 9535) into the value, which must be JSON: what exactly one match holds becomes the value of the
    /// key, strings as they are and everything else as JSON text. Default: the value as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^\$"))]
    pub json_path: Option<String>,

    /// How the value, or what `jsonPath` found in it, is encoded: it is decoded for the Secret. The result may be binary.
    /// Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<Decode>,

    /// If true and the parameter does not exist, the key is left out of the Secret. Default: false, the object fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
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
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataFromEntry {
    /// One parameter whose value holds several fields.
    pub parameter: ParameterSource,

    /// How the names of fields become keys of the Secret. Default: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeyMapping>,
}

/// A parameter whose value holds several fields.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.version) && has(self.label))").message("version and label exclude each other"),
)]
pub struct ParameterSource {
    /// Name of the parameter, or its full ARN if another account shares it.
    #[schemars(
        length(min = 1, max = 2048),
        regex(
            pattern = r"^(arn:aws[a-zA-Z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter)?/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*$"
        )
    )]
    pub name: String,

    /// A fixed version of the parameter. Default: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<i64>,

    /// The version that carries this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[a-zA-Z_.-][a-zA-Z0-9_.-]*$"))]
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
    pub format: Option<KeyFormat>,

    /// Put in front of each key.
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
