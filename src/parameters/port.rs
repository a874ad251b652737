//! What the reader needs of AWS. Implemented by `aws::AwsApi`, and by scripts in tests.

use std::{future::Future, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use crate::domain::{
    audit::{CallFacts, Principal},
    aws_error::AwsError,
    key::KeyState,
    revision::Metadata,
};

/// What a call of `GetParameters` is to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// Versions only.
    Look,
    /// Values, decrypted by Parameter Store.
    Decrypt,
    /// Values as they are stored, to be decrypted by KMS.
    Direct,
}

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
    /// The value; none if it was not asked for. Of a `SecureString` in [`Mode::Direct`] still encrypted.
    pub value: Option<Arc<SecretString>>,
    /// ARN of the key that encrypts it, where the answer says so.
    pub key: Option<String>,
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

/// What `DescribeParameters` says of a parameter's newest version.
#[derive(Clone, Debug)]
pub struct Description {
    /// ARN of the parameter.
    pub arn: String,
    /// Newest version.
    pub version: i64,
    /// The key in whatever format it was given when the version was written; none for what is not encrypted.
    pub key_id: Option<String>,
}

/// A page of `DescribeParameters`.
#[derive(Debug, Default)]
pub struct Descriptions {
    /// What is on it, maybe nothing although others follow.
    pub found: Vec<Description>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// A value that KMS decrypted.
#[derive(Debug)]
pub struct Plaintext {
    /// The value.
    pub value: SecretString,
    /// ARN of the key that encrypted it.
    pub key: Option<String>,
}

/// The AWS calls that the reader makes, each one attempt, as one identity in one region.
pub trait ParameterApi: Send + Sync + 'static {
    /// SSM `GetParameters` for at most ten names.
    fn get_parameters(&self, names: &[String], mode: Mode) -> impl Future<Output = Call<Answer>> + Send;

    /// SSM `DescribeParameters` for at most fifty names of the caller's account, from a page on.
    fn describe_parameters(
        &self,
        names: &[String],
        page: Option<&str>,
    ) -> impl Future<Output = Call<Descriptions>> + Send;

    /// KMS `Decrypt` of the value that is stored under this ARN: base64, bound to the ARN by its encryption context.
    fn decrypt(&self, ciphertext: &SecretString, arn: &str) -> impl Future<Output = Call<Plaintext>> + Send;

    /// KMS `DescribeKey`.
    fn describe_key(&self, key: &str) -> impl Future<Output = Call<KeyState>> + Send;

    /// STS `GetCallerIdentity`.
    fn get_caller_identity(&self) -> impl Future<Output = Call<Principal>> + Send;

    /// The region that is asked.
    fn region(&self) -> &str;
}
