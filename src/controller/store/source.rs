//! The first credentials of a store: the operator's, those of a Secret, or those of a ServiceAccount.

use std::{fmt::Write, sync::Arc};

use crate::controller::{
    context::Context,
    store::{fault::StoreFault, object::StoreObject},
};
use crate::{
    api::{CredentialKeys, Reason},
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
        identity::{
            session::SessionOwner,
            store_identity::{CredentialSource, StoreIdentity},
        },
        parameter::scope::Scope,
    },
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
    /// Loads the first credentials of a store.
    ///
    /// # Errors
    /// `StoreNotReady` while the Secret or the ServiceAccount cannot be read, `CredentialsInvalid` if it holds nothing that
    /// can be used.
    pub(crate) async fn load(
        store: &StoreObject,
        identity: &StoreIdentity,
        context: &Context,
    ) -> Result<Self, StoreFault> {
        match &identity.source {
            CredentialSource::Operator => Ok(Self::Operator),
            CredentialSource::Secret { namespace, name, keys } => secret(namespace, name, keys, context).await,
            CredentialSource::ServiceAccount { namespace, name, audiences } => {
                refuse_operator(store, namespace, name, context).await?;
                service_account(namespace, name, audiences, context).await
            }
        }
    }

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

/// A namespaced store never gets a token of the operator itself.
async fn refuse_operator(
    store: &StoreObject,
    namespace: &str,
    name: &str,
    context: &Context,
) -> Result<(), StoreFault> {
    if store.key.namespace.is_none() {
        return Ok(());
    }
    let own = context.own_service_account.get_or_try_init(|| context.service_accounts.own()).await;
    let own = own.map_err(|error| {
        let message = format!("The operator could not ask Kubernetes who it is itself ({error}); it tries again.");
        StoreFault::of_spec(Fault::new(Reason::StoreNotReady, message))
    })?;
    if own.as_ref().is_some_and(|own| (own.0.as_str(), own.1.as_str()) == (namespace, name)) {
        let message = "A ParameterStore never uses the operator's identity; name another ServiceAccount in \
                       spec.identity.serviceAccountRef.";
        return Err(StoreFault::of_spec(Fault::new(Reason::InvalidSpec, message)));
    }
    Ok(())
}

async fn service_account(
    namespace: &str,
    name: &str,
    audiences: &[String],
    context: &Context,
) -> Result<LoadedSource, StoreFault> {
    let fault = |reason, problem: String| {
        StoreFault::of_credentials(Fault::new(reason, format!("ServiceAccount {namespace}/{name} {problem}.")))
    };
    let accounts = &context.service_accounts;
    let annotations =
        accounts.annotations(namespace, name).await.map_err(|problem| fault(Reason::StoreNotReady, problem))?;
    let role_arn = annotations.role_arn.clone().ok_or_else(|| {
        let problem = "has no role; annotate it with eks.amazonaws.com/role-arn";
        fault(Reason::CredentialsInvalid, problem.to_owned())
    })?;
    if !is_role_arn(&role_arn) {
        let problem = "has an annotation eks.amazonaws.com/role-arn that is no ARN of a role; correct it";
        return Err(fault(Reason::CredentialsInvalid, problem.to_owned()));
    }
    let audiences = annotations.audiences(audiences);
    let (accounts, account) = (accounts.clone(), (namespace.to_owned(), name.to_owned()));
    let (requested, (namespace, name)) = (audiences.clone(), account.clone());
    let tokens = TokenSource(Arc::new(move || {
        let (accounts, namespace, name, audiences) =
            (accounts.clone(), namespace.clone(), name.clone(), requested.clone());
        Box::pin(async move { accounts.token(&namespace, &name, audiences).await })
    }));
    Ok(LoadedSource::ServiceAccount { service_account: account, audiences, role_arn, tokens })
}

/// Reports whether a text may be the ARN of a role, which the owner of a ServiceAccount wrote.
fn is_role_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let parts = [(); 6].map(|()| parts.next().unwrap_or_default());
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_/-".contains(c);
    text.len() <= 2_048
        && (parts[0], parts[2], parts[3]) == ("arn", "iam", "")
        && parts[1].starts_with("aws")
        && parts[1].chars().all(|c| c.is_ascii_lowercase() || c == '-')
        && parts[4].len() == 12
        && parts[4].chars().all(|c| c.is_ascii_digit())
        && parts[5].strip_prefix("role/").is_some_and(|name| !name.is_empty() && name.chars().all(is_name))
}

async fn secret(
    namespace: &str,
    name: &str,
    keys: &CredentialKeys,
    context: &Context,
) -> Result<LoadedSource, StoreFault> {
    let fault = |reason, problem: String| {
        let message = format!("Secret {namespace}/{name} with the store's credentials {problem}.");
        StoreFault::of_credentials(Fault::new(reason, message))
    };
    let secret = context.secrets.credentials(namespace, name).await.map_err(|error| {
        let problem = format!("could not be read ({error}); allow the operator to get, list and watch it");
        fault(Reason::StoreNotReady, problem)
    })?;
    let secret = secret.ok_or_else(|| {
        let [id, secret, _] = StaticCredentials::keys(keys);
        fault(Reason::StoreNotReady, format!("does not exist; create it with the keys {id} and {secret}"))
    })?;
    StaticCredentials::from_secret_data(&secret.data.unwrap_or_default(), keys)
        .map(LoadedSource::Static)
        .map_err(|problem| fault(Reason::CredentialsInvalid, format!("is not valid: {problem}")))
}

/// Returns the fault for an identity whose credentials could not be loaded, or that STS does not know. It names the
/// ServiceAccount, if the fault is about that.
pub(crate) fn failed_identity(mut error: AwsError, identity: &Identity, endpoints: &EndpointOptions) -> StoreFault {
    if let (AwsErrorKind::EndpointUnreachable, Some(special)) = (error.kind, endpoints.special()) {
        // The SDK builds names of hosts that do not exist, for example of FIPS endpoints in Europe.
        let _ = write!(error.message, "; the store wants {special}, which AWS does not have in every region");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arn_of_a_role_is_asked_for() {
        for (text, expected) in [
            ("arn:aws:iam::111122223333:role/reader", true),
            ("arn:aws-cn:iam::111122223333:role/path/reader", true),
            ("arn:aws:iam::111122223333:user/reader", false),
            ("arn:aws:iam::11112222333:role/reader", false),
            ("arn:aws:iam::111122223333:role/", false),
            ("arn:aws:iam::111122223333:role/a b", false),
            ("arn:aws:iam::111122223333:role/{namespace}", false),
            ("reader", false),
            ("", false),
        ] {
            assert_eq!(is_role_arn(text), expected, "{text}");
        }
    }
}
