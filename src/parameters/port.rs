//! What the reader needs of AWS. Implemented by `aws::AwsApi`, and by scripts in tests.

use std::{future::Future, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use crate::domain::{
    audit::{CallFacts, Principal},
    aws_error::{AwsError, KeyState},
    revision::Metadata,
};

/// One attempt of one AWS call: what is to be audited, and what came of it.
#[derive(Debug)]
pub struct Call<T> {
    /// The call as its client saw it. `resources` are for the reader to fill in.
    pub facts: CallFacts,
    /// Its result.
    pub result: Result<T, AwsError>,
}

/// Answer to `GetParameters`.
#[derive(Debug, Default)]
pub struct Answer {
    /// What was found, in the order of the service: alphabetical, not that of the request.
    pub found: Vec<Parameter>,
    /// Names, as they were asked for, that do not exist or not with their version or label.
    pub invalid: Vec<String>,
}

/// One version of a parameter.
#[derive(Debug)]
pub struct Parameter {
    /// ARN.
    pub arn: String,
    /// Name without a selector.
    pub name: String,
    /// Version.
    pub version: i64,
    /// `SecureString`, `String` or `StringList`.
    pub type_: String,
    /// When this version was written.
    pub last_modified: Option<Timestamp>,
    /// The value; none if it was not asked for.
    pub value: Option<Arc<SecretString>>,
}

impl Parameter {
    /// Everything but the value.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            arn: self.arn.clone(),
            version: self.version,
            last_modified: self.last_modified,
            type_: self.type_.clone(),
        }
    }
}

/// The AWS calls that the reader makes, each one attempt, as one identity in one region.
pub trait ParameterApi: Send + Sync + 'static {
    /// SSM `GetParameters` for at most ten names, with or without decryption. Without, no value is returned, not even
    /// the ciphertext.
    fn get_parameters(&self, names: &[String], decrypt: bool) -> impl Future<Output = Call<Answer>> + Send;

    /// KMS `DescribeKey`.
    fn describe_key(&self, key: &str) -> impl Future<Output = Call<KeyState>> + Send;

    /// STS `GetCallerIdentity`.
    fn get_caller_identity(&self) -> impl Future<Output = Call<Principal>> + Send;

    /// The region that is asked.
    fn region(&self) -> &str;
}
