//! The result of an AWS call for one parameter.

use serde::Serialize;

/// The result of a call for one of its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParameterOutcome {
    /// ARN; derived from the name where AWS did not return it.
    pub arn: String,
    /// Requested version or label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Returned version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// `SecureString`, `String` or `StringList`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// ARN of the key that encrypts the parameter, where known.
    #[serde(rename = "keyARN", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `Decrypted`, `Read` (not encrypted or not decrypted), `NotFound` or `Failed`.
    pub outcome: &'static str,
}
