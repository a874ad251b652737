//! How the names of fields and parameters become keys of a Secret.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// How names become keys of the Secret.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::key_prefix_of_variables())]
pub struct KeyMapping {
    /// `AsIs` keeps a name and replaces `/` by `.`. `EnvVar` makes the name of an environment variable: upper case, `_` for
    /// every character that is no letter and no digit, and `_` before a key that would begin with a digit. Default: `AsIs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeyStyle")]
    pub style: Option<KeyStyle>,

    /// Text that is put before each key, as it is. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(validation = rules::key_prefix())]
    pub prefix: Option<String>,
}

/// The style of keys.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStyle {
    /// The name, with `.` for `/`.
    #[default]
    AsIs,
    /// The name of an environment variable.
    EnvVar,
}

/// What happens where two sources give the same key.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyConflicts {
    /// The object fails.
    #[default]
    Fail,
    /// The later source overrides the earlier one; `data` comes after `dataFrom`.
    LastWins,
}
