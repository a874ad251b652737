//! Opens the connection of a store: validates its spec, loads its credentials and asks AWS whose they are.

use std::{fmt::Write, sync::Arc};

use crate::controller::{
    context::Context,
    store::{
        connections::{Connected, Grants, StoreConnection},
        credential_health::CredentialHealth,
        fault::StoreFault,
        object::StoreObject,
    },
};
use crate::{
    api::Reason,
    aws::{
        client::{AwsApi, Identity},
        credentials::static_credentials::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, StaticCredentials},
        endpoints::options::{EndpointOptions, WantedEndpoints},
    },
    domain::{
        Fault,
        access::grant,
        aws_error::{AwsError, AwsErrorKind},
        parameter::scope::Scope,
    },
    parameters::Reader,
};

/// Opens a connection. Keeps the reader of `previous` while identity and region stay the same and AWS accepts the
/// credentials.
///
/// # Errors
/// The fault that the store's conditions show.
pub(crate) async fn open(store: &StoreObject, context: &Context, previous: Option<&StoreConnection>) -> Connected {
    grant::validate(store.access.as_deref().unwrap_or_default())
        .map_err(|problem| StoreFault::of_spec(Fault::new(Reason::InvalidSpec, format!("spec.access: {problem}."))))?;
    let endpoints = endpoints(store, context)?;
    let identity = identity(store, context).await?;
    let key = context.aws.key(&identity, &endpoints);
    let reader = context.readers.get_or_open(&key, open_reader(store, context, &identity, &endpoints)).await?;
    let credential_health = previous
        .filter(|previous| Arc::ptr_eq(&previous.reader, &reader))
        .map(|previous| previous.credential_health.clone())
        .unwrap_or_default();
    if let Err(error) = check_credentials(&reader, &credential_health, store).await {
        context.readers.remove(&key);
        return Err(not_identified(error, &endpoints));
    }
    Ok(Arc::new(StoreConnection {
        prefix: store.prefix.clone(),
        access: store.access.clone(),
        grants: Grants::default(),
        source: source(store, &endpoints, &reader.scope().account),
        mode: store.mode,
        revalidate: store.revalidate,
        credential_health,
        reader,
    }))
}

/// Asks STS whether AWS accepts the credentials, if it refused them and a check is due.
async fn check_credentials(
    reader: &Reader<AwsApi>,
    health: &CredentialHealth,
    store: &StoreObject,
) -> Result<(), AwsError> {
    if health.check_due_in().is_some_and(|due_in| due_in.is_zero()) {
        reader.verify(&store.audit_ref()).await?;
        health.mark_accepted();
    }
    Ok(())
}

/// Returns where AWS is called for a store.
fn endpoints(store: &StoreObject, context: &Context) -> Result<EndpointOptions, StoreFault> {
    let wanted = WantedEndpoints {
        region: region(store, context)?,
        fips: store.fips,
        dual_stack: store.dual_stack,
        custom: store.endpoints.as_ref(),
    };
    context.aws.endpoints(&wanted).map_err(|problem| StoreFault::of_spec(Fault::new(Reason::InvalidSpec, problem)))
}

/// Returns the region of a store, which becomes part of host names and headers.
fn region<'a>(store: &'a StoreObject, context: &'a Context) -> Result<&'a str, StoreFault> {
    let not_ready = |message| StoreFault::of_spec(Fault::new(Reason::StoreNotReady, message));
    let region = store.region.as_deref().or_else(|| context.aws.region()).ok_or_else(|| {
        not_ready("No AWS region is configured; set spec.region of the store, or AWS_REGION of the operator.")
    })?;
    if !is_region(region) {
        let message = "The AWS region is not written like eu-central-1; correct spec.region of the store, or AWS_REGION \
                       of the operator.";
        return Err(not_ready(message));
    }
    Ok(region)
}

/// Reports whether a text may be a region. The schema says more of `spec.region`, but nothing of the environment.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

async fn open_reader(
    store: &StoreObject,
    context: &Context,
    identity: &Identity,
    endpoints: &EndpointOptions,
) -> Result<Reader<AwsApi>, StoreFault> {
    let api = context.aws.api(identity, endpoints);
    let (audit_sink, changed) = (context.audit_sink.clone(), context.changed_parameters.clone());
    let opened = Reader::open(api, &context.quotas, audit_sink, changed, &store.audit_ref(), &context.alarm).await;
    opened.map_err(|error| not_identified(error, endpoints))
}

/// Returns the fault for an error of `sts:GetCallerIdentity`, which leaves the account unknown.
fn not_identified(mut error: AwsError, endpoints: &EndpointOptions) -> StoreFault {
    if let (AwsErrorKind::EndpointUnreachable, Some(special)) = (error.kind, endpoints.special()) {
        // The SDK builds names of hosts that do not exist, for example of FIPS endpoints in Europe.
        let _ = write!(error.message, "; the store wants {special}, which AWS does not have in every region");
    }
    let region = endpoints.region.clone();
    let scope = Scope { partition: "aws".into(), region, account: "unknown".into() };
    StoreFault::of_aws(error.fault(None, &["sts:GetCallerIdentity".to_owned()], &scope, None))
}

/// Returns the identity of a store.
///
/// # Errors
/// `StoreNotReady` while the Secret cannot be read, `CredentialsInvalid` if it holds no credentials.
async fn identity(store: &StoreObject, context: &Context) -> Result<Identity, StoreFault> {
    let Some((namespace, name)) = &store.credentials else { return Ok(Identity::Ambient) };
    let fault = |reason, problem: String| {
        let message = format!("Secret {namespace}/{name} with the store's credentials {problem}.");
        StoreFault::of_credentials_secret(Fault::new(reason, message))
    };
    let secret = context.secrets.credentials(namespace, name).await.map_err(|error| {
        let problem = format!("could not be read ({error}); allow the operator to get, list and watch it");
        fault(Reason::StoreNotReady, problem)
    })?;
    let secret = secret.ok_or_else(|| {
        let problem = format!("does not exist; create it with the keys {ACCESS_KEY_ID} and {SECRET_ACCESS_KEY}");
        fault(Reason::StoreNotReady, problem)
    })?;
    StaticCredentials::from_secret_data(&secret.data.unwrap_or_default())
        .map(Identity::Static)
        .map_err(|problem| fault(Reason::CredentialsInvalid, format!("is not valid: {problem}")))
}

/// Returns what a revision is valid for: store, account, region, an endpoint that the store names, and the Secret with the
/// credentials.
fn source(store: &StoreObject, endpoints: &EndpointOptions, account: &str) -> String {
    let secret = store.credentials.as_ref();
    let secret = secret.map_or_else(|| "ambient".to_owned(), |(namespace, name)| format!("{namespace}/{name}"));
    let region = &endpoints.region;
    let endpoint = endpoints.custom_ssm().map(|endpoint| format!("/{endpoint}")).unwrap_or_default();
    format!("{}/{region}/{account}/{secret}{endpoint}", store.key.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_fits_into_host_names_and_headers() {
        for (text, expected) in
            [("eu-central-1", true), ("us-gov-west-1", true), ("", false), ("eu-central-1\n", false), ("a.b/c", false)]
        {
            assert_eq!(is_region(text), expected, "{text:?}");
        }
    }
}
