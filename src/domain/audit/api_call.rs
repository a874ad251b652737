//! What a client knows of an AWS call.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::domain::{audit::aws_error::AwsError, parameter::arn::account_of, schedule::decide::Purpose};

/// Who calls AWS, as STS GetCallerIdentity says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// ARN of the principal.
    pub arn: String,
    /// Account of the principal.
    pub account: String,
    /// `UserId` of GetCallerIdentity: CloudTrail's `principalId`.
    pub user_id: String,
}

/// One AWS call, as its client saw it.
#[derive(Clone, Debug)]
pub struct ApiCall {
    /// `ssm.amazonaws.com` and so on.
    pub event_source: &'static str,
    /// The operation.
    pub event_name: &'static str,
    /// Region that was asked.
    pub region: String,
    /// Parameters of the request in CloudTrail's spelling.
    pub request_parameters: Value,
    /// ARNs of what was asked for.
    pub resources: Vec<Resource>,
    /// AWS' request id; none if no answer arrived.
    pub request_id: Option<String>,
    /// Time of the answer by AWS' clock, or of its absence by ours.
    pub event_time: Timestamp,
    /// Whether an answer arrived.
    pub answered: bool,
    /// User agent that was sent.
    pub user_agent: Option<String>,
    /// Access key id that signed the call: an identifier, not a secret.
    pub access_key_id: Option<String>,
    /// What went wrong.
    pub error: Option<AwsError>,
    /// The session that STS opened, where the call was for one.
    pub session: Option<Session>,
}

/// A role session that STS opened. Its secret parts are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Access key id of its credentials, which ties later calls to this one.
    pub access_key_id: Option<String>,
    /// `<id of the role>:<session name>`
    pub assumed_role_id: Option<String>,
    /// ARN of the session.
    pub arn: Option<String>,
    /// Who opened it, where a token stood for the caller.
    pub web_identity: Option<WebIdentity>,
}

/// The caller of `AssumeRoleWithWebIdentity`, as STS read it from the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// Issuer, or ARN of the identity provider in IAM.
    pub provider: String,
    /// `aud` of the token.
    pub audience: String,
    /// `sub` of the token, such as `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
}

/// One resource of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The account it is in.
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// `AWS::KMS::Key` for keys; SSM's records have none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<&'static str>,
}

impl Resource {
    /// A parameter.
    pub fn parameter(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: None }
    }

    /// An IAM role.
    pub fn role(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: Some("AWS::IAM::Role") }
    }

    /// A KMS key.
    pub fn key(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: Some("AWS::KMS::Key") }
    }
}

/// What became of one parameter within a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterOutcome {
    /// ARN; made from the name where AWS did not say it.
    pub arn: String,
    /// Version or label asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Version that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// `SecureString`, `String` or `StringList`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// ARN of the key that encrypts it, where known.
    #[serde(rename = "keyArn", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `Decrypted`, `Read` (not encrypted or not decrypted), `NotFound` or `Failed`.
    pub outcome: &'static str,
}

/// The object that a call was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its namespace; none for cluster stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The Secret it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Why the call was made for it.
    pub reason: &'static str,
}

impl ObjectRef {
    /// The same object with another reason.
    #[must_use]
    pub fn because(&self, purpose: Purpose) -> Self {
        Self { reason: purpose.as_str(), ..self.clone() }
    }
}
