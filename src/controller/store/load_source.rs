//! Loads the first credentials of a store from the Secret or the ServiceAccount that its spec names.

use std::sync::Arc;

use crate::controller::store::{fault::StoreFault, gateway::Gateway, object::StoreObject, source::LoadedSource};
use crate::{
    api::{CredentialKeys, Reason},
    aws::credentials::{static_credentials::StaticCredentials, web_identity::TokenSource},
    domain::{
        Fault,
        identity::store_identity::{CredentialSource, StoreIdentity},
    },
    kubernetes::secrets::errors::classify,
};

/// Loads the first credentials of a store. While the API server does not answer, `known`, which was found there before, stands.
///
/// # Errors
/// `StoreNotReady` while the Secret or the ServiceAccount cannot be read, `CredentialsInvalid` if it holds nothing that
/// can be used.
pub(crate) async fn load_source(
    store: &StoreObject,
    identity: &StoreIdentity,
    known: Option<&LoadedSource>,
    gateway: &Gateway,
) -> Result<LoadedSource, StoreFault> {
    match &identity.source {
        CredentialSource::Operator => Ok(LoadedSource::Operator),
        CredentialSource::Secret { namespace, name, keys } => secret((namespace, name), keys, known, gateway).await,
        CredentialSource::ServiceAccount { namespace, name, audiences } => {
            refuse_operator(store, namespace, name, gateway).await?;
            service_account(namespace, name, audiences, gateway).await
        }
    }
}

/// A namespaced store never gets a token of the operator itself.
async fn refuse_operator(
    store: &StoreObject,
    namespace: &str,
    name: &str,
    gateway: &Gateway,
) -> Result<(), StoreFault> {
    if store.key.namespace.is_none() {
        return Ok(());
    }
    let own = gateway.own_service_account.get_or_try_init(|| gateway.service_accounts.own()).await;
    let own = own.map_err(|error| {
        let message = format!("The operator could not ask Kubernetes who it is itself ({error}); it tries again.");
        StoreFault::of_credentials(Fault::new(Reason::StoreNotReady, message))
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
    gateway: &Gateway,
) -> Result<LoadedSource, StoreFault> {
    let fault = |reason, problem: String| {
        StoreFault::of_credentials(Fault::new(reason, format!("ServiceAccount {namespace}/{name} {problem}.")))
    };
    let accounts = &gateway.service_accounts;
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
    (namespace, name): (&str, &str),
    keys: &CredentialKeys,
    known: Option<&LoadedSource>,
    gateway: &Gateway,
) -> Result<LoadedSource, StoreFault> {
    let fault = |reason, problem: String| {
        let message = format!("Secret {namespace}/{name} with the store's credentials {problem}.");
        StoreFault::of_credentials(Fault::new(reason, message))
    };
    let secret = match gateway.secrets.credentials(namespace, name).await {
        Ok(secret) => secret,
        Err(error) if is_forbidden(&error) => {
            let problem = "may not be read; allow the operator to get, list and watch it";
            return Err(fault(Reason::StoreNotReady, problem.to_owned()));
        }
        Err(error) => {
            // Whether the credentials are still there will show. Nobody has to lose a session meanwhile.
            let problem = format!("could not be read ({}); the operator tries again", classify(&error, None));
            return known.cloned().ok_or_else(|| fault(Reason::StoreNotReady, problem));
        }
    };
    let secret = secret.ok_or_else(|| {
        let [id, secret, _] = StaticCredentials::keys(keys);
        fault(Reason::StoreNotReady, format!("does not exist; create it with the keys {id} and {secret}"))
    })?;
    StaticCredentials::from_secret_data(&secret.data.unwrap_or_default(), keys)
        .map(LoadedSource::Static)
        .map_err(|problem| fault(Reason::CredentialsInvalid, format!("is not valid: {problem}")))
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
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
