//! Sessions of roles, from STS `AssumeRoleWithWebIdentity`.

use std::{fmt, sync::Arc};

use aws_credential_types::provider::{self, error::CredentialsError, future};
use aws_sdk_ssm::config::{Credentials, ProvideCredentials};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::aws::{call_recorder::CallRecorder, convert_error::convert, credentials::assume_role::session};
use crate::domain::{
    aws_error::{AwsError, AwsErrorKind, SERVICE_ACCOUNT, WITH_WEB_IDENTITY},
    identity::session::{DEFAULT_DURATION, WebIdentityRequest},
};

/// Issues tokens of one ServiceAccount. The error is the problem, as part of a sentence.
#[derive(Clone)]
pub(crate) struct TokenSource(
    pub(crate) Arc<dyn Fn() -> BoxFuture<'static, Result<SecretString, String>> + Send + Sync>,
);

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource")
    }
}

/// Exchanges tokens of a ServiceAccount for sessions of a role.
#[derive(Clone, Debug)]
pub(crate) struct WebIdentity {
    /// Namespace and name of the ServiceAccount.
    pub(crate) service_account: (String, String),
    /// The audiences of its tokens.
    pub(crate) audiences: Vec<String>,
    /// Issues its tokens.
    pub(crate) tokens: TokenSource,
    /// What STS is asked for.
    pub(crate) request: WebIdentityRequest,
}

/// Asks STS for the sessions.
#[derive(Debug)]
pub(crate) struct WebIdentityCredentials {
    pub(crate) sts: aws_sdk_sts::Client,
    pub(crate) identity: WebIdentity,
}

impl ProvideCredentials for WebIdentityCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

impl WebIdentityCredentials {
    async fn load(&self) -> provider::Result {
        self.attempt().await.map_err(CredentialsError::provider_error)
    }

    async fn attempt(&self) -> Result<Credentials, AwsError> {
        let WebIdentityRequest { role_arn, session_name, policy } = &self.identity.request;
        let token = (self.identity.tokens.0)().await.map_err(|problem| no_token(&problem))?;
        let recorder = CallRecorder::default();
        let call = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(role_arn)
            .role_session_name(session_name)
            .set_policy(policy.clone())
            .duration_seconds(i32::try_from(DEFAULT_DURATION.as_secs()).unwrap_or(i32::MAX))
            .web_identity_token(token.expose_secret());
        let answer = call.customize().interceptor(recorder.clone()).send().await;
        let answer = answer.map_err(|error| explained(convert(&error, &recorder), role_arn))?;
        session(answer.credentials, answer.assumed_role_user, &recorder)
    }
}

/// The message does not name the ServiceAccount: where that of a cluster store is, its objects must not learn.
fn no_token(problem: &str) -> AwsError {
    let message = format!("{SERVICE_ACCOUNT} {problem}");
    AwsError { kind: AwsErrorKind::CredentialsInvalid, code: None, message, request_id: None }
}

/// STS does not say which role was denied. The message then does, in the words of IAM.
fn explained(error: AwsError, role_arn: &str) -> AwsError {
    if error.kind != AwsErrorKind::AccessDenied {
        return error;
    }
    let message = format!("Not authorized to perform: {WITH_WEB_IDENTITY} on resource: {role_arn}");
    AwsError { message, ..error }
}
