//! The first credentials of a store: the operator's, those of a Secret, or those of a ServiceAccount.

use std::fmt::Write;

use crate::controller::store::fault::StoreFault;
use crate::{
    aws::{
        credentials::{
            static_credentials::StaticCredentials,
            web_identity::{TokenSource, WebIdentity},
        },
        endpoints::options::EndpointOptions,
        identity::{Identity, Source},
    },
    domain::{
        Fault,
        aws_error::{AwsError, AwsErrorKind, SERVICE_ACCOUNT, WITH_WEB_IDENTITY},
        identity::{session::SessionOwner, store_identity::StoreIdentity},
        parameter::scope::Scope,
    },
    telemetry::object_span::log_request,
};

/// The first credentials of a store, loaded.
#[derive(Clone, Debug)]
pub(crate) enum LoadedSource {
    /// The operator's own.
    Operator,
    /// An access key.
    Static(StaticCredentials),
    /// A ServiceAccount.
    ServiceAccount {
        /// Its namespace and name.
        service_account: (String, String),
        /// The audiences of its tokens.
        audiences: Vec<String>,
        /// ARN of its role.
        role_arn: String,
        /// Issues its tokens.
        tokens: TokenSource,
    },
}

impl LoadedSource {
    /// Returns the identity that calls AWS for an owner. The last session carries `policy`.
    ///
    /// # Errors
    /// Like [`StoreIdentity::role_requests`].
    pub(crate) fn identity(
        &self,
        identity: &StoreIdentity,
        owner: SessionOwner<'_>,
        policy: Option<&str>,
    ) -> Result<Identity, Fault> {
        let source = match self {
            Self::Operator => Source::Operator,
            Self::Static(credentials) => Source::Static(credentials.clone()),
            Self::ServiceAccount { service_account, audiences, role_arn, tokens } => Source::WebIdentity(WebIdentity {
                service_account: service_account.clone(),
                audiences: audiences.clone(),
                tokens: tokens.clone(),
                request: identity.web_identity_request(role_arn, owner, policy),
            }),
        };
        Ok(Identity { source, roles: identity.role_requests(owner, policy)? })
    }

    /// Returns the ARN of the role that tokens are exchanged for, if this is a ServiceAccount.
    pub(crate) fn role_arn(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount { role_arn, .. } => Some(role_arn),
            _ => None,
        }
    }
}

/// Returns the fault for an identity whose credentials could not be loaded, or that STS does not know. It names the
/// ServiceAccount, if the fault is about that.
pub(crate) fn failed_identity(mut error: AwsError, identity: &Identity, endpoints: &EndpointOptions) -> StoreFault {
    if let (AwsErrorKind::EndpointUnreachable, Some(special)) = (error.kind, endpoints.special()) {
        // The SDK builds names of hosts that do not exist, for example of FIPS endpoints in Europe.
        let _ = write!(error.message, "; the store wants {special}, which AWS does not have in every region");
    }
    if let Some(request_id) = &error.request_id {
        log_request(request_id);
    }
    let call = match (identity.roles.last(), &identity.source) {
        (Some(role), _) => format!("sts:AssumeRole of {}", role.role_arn),
        (None, Source::WebIdentity(web)) => format!("{WITH_WEB_IDENTITY} of {}", web.request.role_arn),
        (None, _) => "sts:GetCallerIdentity".to_owned(),
    };
    let scope = Scope { partition: "aws".into(), region: endpoints.region.clone(), account: "unknown".into() };
    let fault = error.fault(None, &[call], &scope, None);
    match &identity.source {
        Source::WebIdentity(web) if fault.message.starts_with(SERVICE_ACCOUNT) => {
            let (namespace, name) = &web.service_account;
            let message = fault.message.replacen(SERVICE_ACCOUNT, &format!("ServiceAccount {namespace}/{name}"), 1);
            StoreFault::of_service_account(Fault::new(fault.reason, message), fault)
        }
        _ => StoreFault::of_aws(fault),
    }
}
