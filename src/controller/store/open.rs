//! Opens the connection of a store: validates its spec, loads its credentials and asks AWS whose they are.

use std::sync::Arc;

use crate::controller::store::{
    connections::{Connected, Grants, StoreConnection},
    fault::StoreFault,
    gateway::Gateway,
    load_source::load_source,
    object::StoreObject,
    open_session::{Common, open_reader, prepare_sessions},
    sessions::Sessions,
    source::{LoadedSource, failed_identity},
};
use crate::{
    api::Reason,
    aws::endpoints::options::{EndpointOptions, WantedEndpoints},
    domain::{
        Fault,
        access::grant,
        identity::{session::SessionOwner, store_identity::StoreIdentity},
    },
};

/// Opens a connection. Keeps the sessions of `previous` while identity and region stay the same and AWS accepts the
/// credentials.
///
/// # Errors
/// The fault that the store's conditions show.
pub(crate) async fn open(store: &StoreObject, gateway: &Gateway, previous: Option<&StoreConnection>) -> Connected {
    grant::validate(store.access.as_deref().unwrap_or_default())
        .map_err(|problem| StoreFault::of_spec(Fault::new(Reason::InvalidSpec, format!("spec.access: {problem}."))))?;
    let identity = store.identity.as_ref().map_err(|fault| StoreFault::of_spec(fault.clone()))?;
    let endpoints = endpoints(store, gateway)?;
    let known = previous.filter(|previous| previous.credentials.0 == identity.source);
    let known = known.map(|previous| &previous.credentials.1);
    let loaded = load_source(store, identity, known, gateway).await?;
    let sessions = if store.key.namespace.is_none() && identity.is_per_namespace() {
        let common = Common {
            store: &store.key,
            identity,
            source: loaded.clone(),
            endpoints: endpoints.clone(),
            mode: store.mode,
        };
        let previous = previous.map(|previous| &previous.sessions);
        Sessions::PerNamespace(prepare_sessions(common, previous, &store.audit_ref(), gateway).await?)
    } else {
        shared_session(store, identity, &loaded, &endpoints, gateway).await?
    };
    Ok(Arc::new(StoreConnection {
        prefix: store.prefix.clone(),
        access: store.access.clone(),
        grants: Grants::default(),
        source: source(store, identity, &loaded, &endpoints.region, &sessions.scope().account),
        mode: store.mode,
        revalidate: store.revalidate,
        credentials: (identity.source.clone(), loaded),
        sessions,
    }))
}

/// Opens the session that all namespaces share, or that of a namespaced store.
async fn shared_session(
    store: &StoreObject,
    identity: &StoreIdentity,
    source: &LoadedSource,
    endpoints: &EndpointOptions,
    gateway: &Gateway,
) -> Result<Sessions, StoreFault> {
    let owner = SessionOwner {
        cluster: gateway.cluster(),
        store: &store.key.name,
        store_namespace: store.key.namespace.as_deref(),
        reader: None,
    };
    let identity = source.identity(identity, owner, None).map_err(StoreFault::of_spec)?;
    let key = gateway.aws.key(&identity, endpoints);
    let reader =
        gateway.readers.get_or_open(&key, open_reader(&identity, endpoints, &store.audit_ref(), gateway)).await?;
    if let Err(error) = reader.check_credentials(&store.audit_ref()).await {
        gateway.readers.remove(&key);
        return Err(failed_identity(error, &identity, endpoints));
    }
    Ok(Sessions::Shared(reader))
}

/// Returns where AWS is called for a store.
fn endpoints(store: &StoreObject, gateway: &Gateway) -> Result<EndpointOptions, StoreFault> {
    let wanted = WantedEndpoints {
        region: region(store, gateway)?,
        fips: store.fips,
        dual_stack: store.dual_stack,
        custom: store.endpoints.as_ref(),
    };
    gateway.aws.endpoints(&wanted).map_err(|problem| StoreFault::of_spec(Fault::new(Reason::InvalidSpec, problem)))
}

/// Returns the region of a store, which becomes part of host names and headers.
fn region<'a>(store: &'a StoreObject, gateway: &'a Gateway) -> Result<&'a str, StoreFault> {
    let not_ready = |message| StoreFault::of_spec(Fault::new(Reason::StoreNotReady, message));
    let region = store.region.as_deref().or_else(|| gateway.aws.region()).ok_or_else(|| {
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

/// Returns what a revision is valid for: store, account, region and the identity.
fn source(store: &StoreObject, identity: &StoreIdentity, loaded: &LoadedSource, region: &str, account: &str) -> String {
    format!("{}/{region}/{account}/{}", store.key.path(), identity.describe(loaded.role_arn()))
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
