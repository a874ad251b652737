//! Opens the connection of a store: validates its spec, loads its credentials and asks AWS whose they are.

use std::{sync::Arc, time::Duration};

use crate::controller::{
    context::Context,
    store::{
        connections::{Connected, StoreConnection},
        object::StoreObject,
    },
};
use crate::{
    api::Reason,
    aws::{
        client::{AwsApi, Identity},
        credentials::static_credentials::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, StaticCredentials},
    },
    domain::{Fault, access::grant, aws_error::AwsError, parameter::scope::Scope},
    parameters::Reader,
};

/// Opens a connection. Keeps the reader of `previous` while identity and region stay the same and AWS accepts the
/// credentials.
///
/// # Errors
/// The fault that the store's conditions show.
pub(crate) async fn open(store: &StoreObject, context: &Context, previous: Option<&StoreConnection>) -> Connected {
    grant::validate(store.access.as_deref().unwrap_or_default())
        .map_err(|problem| Fault::new(Reason::InvalidSpec, format!("spec.access: {problem}.")))?;
    let region = region(store, context)?;
    let (identity, identity_name) = identity(store, context).await?;
    let reader_key = format!("{region}/{identity_name}");
    let credential_health = previous
        .filter(|previous| previous.reader_key == reader_key)
        .map(|previous| previous.credential_health.clone())
        .unwrap_or_default();
    let reader = context.readers.get_or_open(&reader_key, open_reader(store, context, &identity, region)).await?;
    if credential_health.check_due_in() == Some(Duration::ZERO) {
        reader.verify(&store.audit_ref()).await.map_err(|error| {
            context.readers.remove(&reader_key);
            not_identified(&error, region)
        })?;
        credential_health.mark_accepted();
    }
    let scope = reader.scope();
    context.quotas.set(&store.key.path(), &scope.account, &scope.region, store.quota);
    Ok(Arc::new(StoreConnection {
        prefix: store.prefix.clone(),
        access: store.access.clone(),
        source: source(store, region, &scope.account),
        reader_key,
        mode: store.mode,
        revalidate: store.revalidate,
        credential_health,
        reader,
    }))
}

fn region<'a>(store: &'a StoreObject, context: &'a Context) -> Result<&'a str, Fault> {
    store.region.as_deref().or_else(|| context.aws.region()).ok_or_else(|| {
        let message = "No AWS region is configured; set spec.region of the store, or AWS_REGION of the operator.";
        Fault::new(Reason::StoreNotReady, message.to_owned())
    })
}

async fn open_reader(
    store: &StoreObject,
    context: &Context,
    identity: &Identity,
    region: &str,
) -> Result<Reader<AwsApi>, Fault> {
    let api = context.aws.api(identity, region);
    let (audit_sink, changed) = (context.audit_sink.clone(), context.changed_parameters.clone());
    let opened = Reader::open(api, &context.quotas, audit_sink, changed, &store.audit_ref(), &context.alarm).await;
    opened.map_err(|error| not_identified(&error, region))
}

/// Returns the fault for an error of `sts:GetCallerIdentity`, which leaves the account unknown.
fn not_identified(error: &AwsError, region: &str) -> Fault {
    let scope = Scope { partition: "aws".into(), region: region.to_owned(), account: "unknown".into() };
    error.fault(None, &["sts:GetCallerIdentity".to_owned()], &scope, None)
}

/// Returns the identity of a store, and a name for it that changes with its credentials.
async fn identity(store: &StoreObject, context: &Context) -> Result<(Identity, String), Fault> {
    let Some((namespace, name)) = &store.credentials else {
        return Ok((Identity::Ambient, "ambient".to_owned()));
    };
    let not_ready = |problem: String| {
        let message = format!("Secret {namespace}/{name} with the store's credentials {problem}.");
        Fault::new(Reason::StoreNotReady, message)
    };
    let secret = context.secrets.credentials(namespace, name).await.map_err(|error| {
        not_ready(format!("could not be read ({error}); allow the operator to get, list and watch it"))
    })?;
    let keys = format!("{ACCESS_KEY_ID} and {SECRET_ACCESS_KEY}");
    let secret = secret.ok_or_else(|| not_ready(format!("does not exist; create it with the keys {keys}")))?;
    let credentials = StaticCredentials::from_secret_data(&secret.data.unwrap_or_default())
        .map_err(|problem| not_ready(format!("is not valid ({problem}); set its keys {keys}")))?;
    let version = secret.metadata.resource_version.unwrap_or_default();
    Ok((Identity::Static(credentials), format!("{namespace}/{name}@{version}")))
}

/// Returns what a revision is valid for: store, account, region and the Secret with the credentials.
fn source(store: &StoreObject, region: &str, account: &str) -> String {
    let secret = store.credentials.as_ref();
    let secret = secret.map_or_else(|| "ambient".to_owned(), |(namespace, name)| format!("{namespace}/{name}"));
    format!("{}/{region}/{account}/{secret}", store.key.path())
}
