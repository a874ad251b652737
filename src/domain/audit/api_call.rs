//! One AWS call, as its client saw it.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::domain::{aws_error::AwsError, parameter::arn::account_of};

/// What the client knows of one AWS call.
#[derive(Clone, Debug)]
pub(crate) struct ApiCall {
    /// CloudTrail's name of the service, such as `ssm.amazonaws.com`.
    pub event_source: &'static str,
    /// The API operation, such as `GetParameters`.
    pub event_name: &'static str,
    /// Region of the endpoint.
    pub region: String,
    /// Parameters of the request in CloudTrail's spelling.
    pub request_parameters: Value,
    /// The resources that the call concerns.
    pub resources: Vec<Resource>,
    /// AWS' request id; none without a response.
    pub request_id: Option<String>,
    /// Time of the response by AWS' clock; without a response, the time of the failure by the local clock.
    pub event_time: Timestamp,
    /// Whether a response arrived.
    pub answered: bool,
    /// User agent of the request.
    pub user_agent: Option<String>,
    /// Access key id that signed the call: an identifier, not a secret.
    pub access_key_id: Option<String>,
    /// How long it took, from the request to the end of the response; none if no request was sent.
    pub duration: Option<Duration>,
    /// The error, if the call failed.
    pub error: Option<AwsError>,
    /// The role session that STS issued, if the call asked for one.
    pub session: Option<RoleSession>,
}

/// A role session that STS issued, without its secret parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoleSession {
    /// Access key id of its credentials, which ties later calls to this one.
    pub access_key_id: Option<String>,
    /// `<id of the role>:<session name>`
    pub assumed_role_id: Option<String>,
    /// ARN of the session.
    pub arn: Option<String>,
    /// The caller, if a web identity token stood for one.
    pub web_identity: Option<WebIdentity>,
}

/// The caller of `AssumeRoleWithWebIdentity`, as STS read it from the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebIdentity {
    /// Issuer of the token, or ARN of the identity provider in IAM.
    pub provider: String,
    /// `aud` of the token.
    pub audience: String,
    /// `sub` of the token, such as `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
}

/// An AWS resource that a call concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Resource {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its account.
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// CloudFormation type, such as `AWS::KMS::Key`; CloudTrail's records of SSM have none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<&'static str>,
}

impl Resource {
    /// Returns the resource of a parameter.
    pub(crate) fn parameter(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: None }
    }

    /// Returns the resource of an IAM role.
    pub(crate) fn role(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: Some("AWS::IAM::Role") }
    }

    /// Returns the resource of a KMS key.
    pub(crate) fn key(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: Some("AWS::KMS::Key") }
    }
}
