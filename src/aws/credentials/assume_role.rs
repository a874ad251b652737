//! Sessions of roles, from STS `AssumeRole`.

use aws_credential_types::provider::{self, error::CredentialsError, future};
use aws_sdk_ssm::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::{
    operation::assume_role::builders::AssumeRoleFluentBuilder,
    types::{AssumedRoleUser, Credentials as StsCredentials, Tag},
};

use crate::aws::{
    call_recorder::CallRecorder,
    convert_error::convert,
    credentials::{refresh::RefreshingCredentials, refusal::Refusal},
};
use crate::domain::{
    audit::Principal,
    aws_error::{AwsError, AwsErrorKind},
    identity::session::{LONGEST_CHAINED, RoleRequest},
    parameter::arn::account_of,
};

/// Assumes a role with the credentials of another identity.
#[derive(Debug)]
pub(crate) struct RoleCredentials {
    /// Signs with `base`.
    pub(crate) sts: aws_sdk_sts::Client,
    /// The credentials that the role is assumed with.
    pub(crate) base: SharedCredentialsProvider,
    /// Their cache, which can load others if STS refuses them.
    pub(crate) cache: Option<RefreshingCredentials>,
    /// What STS is asked for.
    pub(crate) request: RoleRequest,
}

impl ProvideCredentials for RoleCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

impl RoleCredentials {
    async fn load(&self) -> provider::Result {
        let recorder = CallRecorder::default();
        let error = match self.attempt(&recorder).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        let refused = self.cache.as_ref().zip(recorder.access_key_id()).zip(Refusal::of(&error));
        let is_replaced =
            refused.is_some_and(|((cache, access_key_id), refusal)| cache.refused(&access_key_id, refusal));
        // The SDK learns from the refusal how far the local clock is off, and corrects the next signature.
        if !is_replaced && !error.is_clock_skew() {
            return Err(CredentialsError::provider_error(error));
        }
        self.attempt(&CallRecorder::default()).await.map_err(CredentialsError::provider_error)
    }

    async fn attempt(&self, recorder: &CallRecorder) -> Result<Credentials, AwsError> {
        // A failure to load these is reported by the call.
        let is_session = self.base.provide_credentials().await.is_ok_and(|base| base.session_token().is_some());
        let call = self.call(is_session).customize().interceptor(recorder.clone()).send().await;
        let answer = call.map_err(|error| convert(&error, recorder))?;
        session(answer.credentials, answer.assumed_role_user, recorder)
    }

    fn call(&self, is_chained: bool) -> AssumeRoleFluentBuilder {
        let request = &self.request;
        let duration = if is_chained { request.duration.min(LONGEST_CHAINED) } else { request.duration };
        let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build().ok();
        let tags: Vec<_> = request.tags.iter().filter_map(tag).collect();
        let keys = request.transitive_tag_keys.clone();
        self.sts
            .assume_role()
            .role_arn(&request.role_arn)
            .role_session_name(&request.session_name)
            .duration_seconds(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX))
            .set_external_id(request.external_id.clone())
            .set_source_identity(request.source_identity.clone())
            .set_policy(request.policy.clone())
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
            .set_transitive_tag_keys(Some(keys).filter(|keys| !keys.is_empty()))
    }
}

/// Returns the credentials of a session. They carry the principal that they belong to.
pub(super) fn session(
    credentials: Option<StsCredentials>,
    user: Option<AssumedRoleUser>,
    recorder: &CallRecorder,
) -> Result<Credentials, AwsError> {
    let incomplete = || AwsError {
        kind: AwsErrorKind::ServiceUnavailable,
        code: None,
        message: "the response of STS lacks the credentials or the session".to_owned(),
        request_id: recorder.request_id(),
    };
    let (credentials, user) = credentials.zip(user).ok_or_else(incomplete)?;
    let expiry = credentials.expiration.try_into().map_err(|_| incomplete())?;
    let account = account_of(&user.arn).unwrap_or_default().to_owned();
    let principal = Principal { arn: user.arn, account, user_id: user.assumed_role_id };
    let mut session = Credentials::new(
        credentials.access_key_id,
        credentials.secret_access_key,
        Some(credentials.session_token),
        Some(expiry),
        "STS",
    );
    session.set_property(principal);
    Ok(session)
}
