//! What the reader needs of AWS. Implemented by `aws::AwsApi`, and by scripts in tests.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use secrecy::{SecretSlice, SecretString};

use crate::domain::{
    audit::{ApiCall, Principal, aws_error::AwsError},
    parameter::{key::KeyState, path_query::PathQuery, revision::Metadata},
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
    pub facts: ApiCall,
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
    /// Version of the secret, where the parameter is a reference to Secrets Manager.
    pub secret_version: Option<String>,
}

impl Parameter {
    /// Everything but the value.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            arn: self.arn.clone(),
            version: self.version,
            last_modified: self.last_modified,
            type_: self.type_.clone(),
            secret_version: self.secret_version.clone(),
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

/// A page of `GetParametersByPath`.
#[derive(Debug, Default)]
pub struct Page {
    /// What is on it, maybe nothing although others follow. Without values.
    pub found: Vec<Parameter>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What KMS is to decrypt.
#[derive(Clone, Copy, Debug)]
pub struct Ciphertext<'a> {
    /// As KMS made it.
    pub blob: &'a [u8],
    /// The only key that may have made it, in any of the four formats; any, if `None`.
    pub key_id: Option<&'a str>,
    /// The encryption context that it was made with.
    pub context: &'a BTreeMap<String, String>,
}

/// A value that KMS decrypted.
#[derive(Debug)]
pub struct Plaintext {
    /// The value.
    pub value: SecretSlice<u8>,
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

    /// SSM `GetParametersByPath` without decryption, from a page on.
    fn get_parameters_by_path(
        &self,
        listing: &PathQuery,
        page: Option<&str>,
    ) -> impl Future<Output = Call<Page>> + Send;

    /// KMS `Decrypt`.
    fn decrypt(&self, ciphertext: Ciphertext<'_>) -> impl Future<Output = Call<Plaintext>> + Send;

    /// KMS `DescribeKey`.
    fn describe_key(&self, key: &str) -> impl Future<Output = Call<KeyState>> + Send;

    /// STS `GetCallerIdentity`.
    fn get_caller_identity(&self) -> impl Future<Output = Call<Principal>> + Send;

    /// The region that is asked.
    fn region(&self) -> &str;
}
