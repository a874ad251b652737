//! The port to AWS: the calls that the reader makes, with their arguments and results.
//!
//! `aws::AwsApi` implements it in production, an in-memory Parameter Store in tests.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use secrecy::{SecretSlice, SecretString};

use crate::domain::{
    audit::{ApiCall, Principal},
    aws_error::AwsError,
    parameter::{key::KeyState, path_query::PathQuery, revision::Metadata},
};

/// Most names in one `GetParameters` call (Systems Manager API Reference, GetParameters).
pub(crate) const NAMES_PER_CALL: usize = 10;

/// Most parameters that one object may read: with so many, a Secret has 524 bytes for each.
pub(crate) const MAX_READS: usize = 2_000;

/// Most bytes that encryption adds to a value before it is encoded as Base64. An envelope of the advanced tier has
/// about 600 (observed; AWS does not document its length).
const ENVELOPE: usize = 1_024;

/// What a `GetParameters` call returns of each parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ReadMode {
    /// The version and other metadata, without the value.
    Version,
    /// The value, decrypted by Parameter Store.
    Decrypt,
    /// The value as it is stored. KMS decrypts it in a second call.
    Ciphertext,
}

/// One attempt of one AWS call.
#[derive(Debug)]
pub(crate) struct Attempt<T> {
    /// The call as the client saw it, for the audit. The reader fills in `resources`.
    pub(crate) call: ApiCall,
    /// Its result.
    pub(crate) result: Result<T, AwsError>,
}

/// Result of `GetParameters`.
#[derive(Debug, Default)]
pub(crate) struct GetParametersResult {
    /// The parameters that were found, in alphabetical order whatever the order of the request.
    pub(crate) parameters: Vec<Parameter>,
    /// The requested names that do not exist, or not with the requested version or label. Names that are in neither list
    /// are known neither to exist nor to be absent.
    pub(crate) invalid: Vec<String>,
}

/// One version of a parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// ARN.
    pub(crate) arn: String,
    /// Name without a selector.
    pub(crate) name: String,
    /// Version.
    pub(crate) version: i64,
    /// `SecureString`, `String` or `StringList`.
    pub(crate) type_: String,
    /// When this version was written.
    pub(crate) last_modified: Option<Timestamp>,
    /// The value, if it was requested. A `SecureString` read with [`ReadMode::Ciphertext`] is still encrypted.
    pub(crate) value: Option<Arc<SecretString>>,
    /// Length of the value as it is stored, in bytes; encrypted, if it is a `SecureString`.
    pub(crate) stored_size: usize,
    /// ARN of the key that encrypted the value, if the response names it.
    pub(crate) key: Option<String>,
    /// Version of the secret, if the parameter is a reference to Secrets Manager.
    pub(crate) secret_version: Option<String>,
}

impl Parameter {
    /// Returns everything but the value.
    pub(crate) fn metadata(&self) -> Metadata {
        Metadata {
            arn: self.arn.as_str().into(),
            version: self.version,
            last_modified: self.last_modified,
            type_: self.type_.as_str().into(),
            secret_version: self.secret_version.clone(),
        }
    }

    /// Returns how many bytes the value has at least once it is decrypted.
    pub(crate) fn least_size(&self) -> usize {
        let is_encrypted = self.type_ == "SecureString";
        if is_encrypted { (self.stored_size / 4 * 3).saturating_sub(ENVELOPE) } else { self.stored_size }
    }

    /// Reports whether the parameter has a value that is encrypted at rest.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.type_ == "SecureString" && self.value.is_some()
    }
}

/// What `DescribeParameters` says of the newest version of a parameter.
#[derive(Clone, Debug)]
pub(crate) struct ParameterDescription {
    /// ARN of the parameter.
    pub(crate) arn: String,
    /// Newest version.
    pub(crate) version: i64,
    /// When it was written.
    pub(crate) last_modified: Option<Timestamp>,
    /// The key as it was named when the version was written, in any of the four key-id formats. `None` for parameters
    /// that are not encrypted.
    pub(crate) key_id: Option<String>,
}

/// A page of `DescribeParameters`.
#[derive(Debug, Default)]
pub(crate) struct DescribeParametersPage {
    /// The descriptions. May be empty although more pages follow.
    pub(crate) descriptions: Vec<ParameterDescription>,
    /// Token of the next page.
    pub(crate) next_token: Option<String>,
}

/// A page of `GetParametersByPath`.
#[derive(Debug, Default)]
pub(crate) struct GetParametersByPathPage {
    /// The parameters, without values. May be empty although more pages follow.
    pub(crate) parameters: Vec<Parameter>,
    /// Token of the next page.
    pub(crate) next_token: Option<String>,
}

/// Input of KMS `Decrypt`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ciphertext<'a> {
    /// The ciphertext.
    pub(crate) blob: &'a [u8],
    /// The only key to accept, in any of the four key-id formats. `None` accepts every key.
    pub(crate) key_id: Option<&'a str>,
    /// The encryption context that the value was encrypted with.
    pub(crate) context: &'a BTreeMap<String, String>,
}

/// Result of KMS `Decrypt`.
#[derive(Debug)]
pub(crate) struct Plaintext {
    /// The value.
    pub(crate) value: SecretSlice<u8>,
    /// ARN of the key that encrypted it.
    pub(crate) key: Option<String>,
}

/// The AWS calls that the reader makes, as one identity in one region. Each method makes a single attempt.
pub(crate) trait ParameterApi: Send + Sync + 'static {
    /// Calls SSM `GetParameters` for at most [`NAMES_PER_CALL`] names.
    fn get_parameters(
        &self,
        names: &[String],
        mode: ReadMode,
    ) -> impl Future<Output = Attempt<GetParametersResult>> + Send;

    /// Calls SSM `DescribeParameters` for at most fifty names of the caller's own account.
    fn describe_parameters(
        &self,
        names: &[String],
        next_token: Option<&str>,
    ) -> impl Future<Output = Attempt<DescribeParametersPage>> + Send;

    /// Calls SSM `GetParametersByPath` without decryption.
    fn get_parameters_by_path(
        &self,
        query: &PathQuery,
        next_token: Option<&str>,
    ) -> impl Future<Output = Attempt<GetParametersByPathPage>> + Send;

    /// Calls KMS `Decrypt`.
    fn decrypt(&self, ciphertext: Ciphertext<'_>) -> impl Future<Output = Attempt<Plaintext>> + Send;

    /// Calls KMS `DescribeKey`.
    fn describe_key(&self, key: &str) -> impl Future<Output = Attempt<KeyState>> + Send;

    /// Returns who calls, if the credentials are those of a session that says so. Loads them.
    ///
    /// # Errors
    /// The failure to load them.
    fn known_principal(&self) -> impl Future<Output = Result<Option<Principal>, AwsError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Calls STS `GetCallerIdentity`.
    fn get_caller_identity(&self) -> impl Future<Output = Attempt<Principal>> + Send;

    /// Returns the region of all calls.
    fn region(&self) -> &str;
}
