//! Opens the sessions of a store that has one for each namespace.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::controller::{
    index::StoreKey,
    store::{
        fault::StoreFault,
        gateway::Gateway,
        sessions::{NamespaceSession, NamespaceSessions, Sessions, StoreReader},
        source::{LoadedSource, failed_identity},
    },
};
use crate::{
    aws::{client::AwsApi, endpoints::options::EndpointOptions, identity::Identity},
    domain::{
        Fault,
        access::grant::Grant,
        audit::{ObjectRef, Principal},
        identity::{session::SessionOwner, store_identity::StoreIdentity},
        parameter::scope::Scope,
    },
    parameters::{ReadMode, Reader},
};

/// What the sessions of all namespaces have in common.
pub(crate) struct Common<'a> {
    /// The store.
    pub(crate) store: &'a StoreKey,
    /// Its identity.
    pub(crate) identity: &'a StoreIdentity,
    /// Its first credentials.
    pub(crate) source: LoadedSource,
    /// Where AWS is called for it.
    pub(crate) endpoints: EndpointOptions,
    /// How it decrypts.
    pub(crate) mode: ReadMode,
}

/// Loads the session that all namespaces share, if there is one. Keeps `previous` while nothing of it changed.
///
/// # Errors
/// The fault that the store's conditions show.
pub(crate) async fn prepare_sessions(
    common: Common<'_>,
    previous: Option<&Sessions>,
    gateway: &Gateway,
) -> Result<Arc<NamespaceSessions>, StoreFault> {
    let Common { store, identity, source, endpoints, mode } = common;
    let owner = SessionOwner { cluster: gateway.cluster(), store: &store.name, store_namespace: None, reader: None };
    let shared = StoreIdentity { is_limited: false, ..identity.clone() };
    let shared = StoreIdentity { roles: identity.roles[..identity.shared_roles()].to_vec(), ..shared };
    // Where the first session is already that of a namespace, its ServiceAccount is all that they share.
    let first = source.identity(&shared, owner, None).map_err(StoreFault::of_spec)?;
    let shared_key = gateway.aws.key(&first, &endpoints);
    if let Some(Sessions::PerNamespace(previous)) = previous
        && (&previous.identity, &previous.shared_key, previous.mode) == (identity, &shared_key, mode)
    {
        return Ok(Arc::clone(previous));
    }
    let credentials = gateway.aws.credentials(&first, &endpoints);
    if !(identity.roles.is_empty() && source.role_arn().is_some()) {
        credentials.load().await.map_err(|error| failed_identity(error, &first, &endpoints))?;
    }
    let role = identity.roles.last().map_or_else(|| source.role_arn().unwrap_or_default(), |role| &role.role_arn);
    let part = |index| role.split(':').nth(index).unwrap_or_default().to_owned();
    Ok(Arc::new(NamespaceSessions {
        scope: Scope { partition: part(1), region: endpoints.region.clone(), account: part(4) },
        role: Principal { arn: role.to_owned(), account: part(4), user_id: String::new() },
        store: store.clone(),
        identity: identity.clone(),
        endpoints,
        mode,
        shared_key,
        _shared: credentials,
        by_namespace: Mutex::default(),
        opening: Mutex::default(),
        source,
    }))
}

/// The session of a namespace, opened.
pub(crate) struct OpenedSession {
    /// Reads in it.
    pub(crate) reader: StoreReader,
    /// Whether the last attempt to open it failed, so that objects may wait for it.
    pub(crate) is_recovered: bool,
}

/// Returns the session of a namespace. Opens it if it is not open.
///
/// # Errors
/// The fault for the objects of that namespace.
pub(crate) async fn open_session(
    sessions: &Sessions,
    namespace: &str,
    grant: Option<&Grant>,
    object: &ObjectRef,
    gateway: &Gateway,
) -> Result<OpenedSession, Fault> {
    let already_open = |reader| Ok(OpenedSession { reader, is_recovered: false });
    let sessions = match sessions {
        Sessions::Shared(reader) => return already_open(Arc::clone(reader)),
        Sessions::PerNamespace(sessions) => sessions,
    };
    let policy = sessions.policy(grant);
    let json = policy.as_ref().map(|policy| policy.json.as_str());
    let identity = sessions.identity(gateway.cluster(), namespace, json)?;
    let key = gateway.aws.key(&identity, &sessions.endpoints);
    if let Some(reader) = sessions.current(namespace, &key) {
        return already_open(reader);
    }
    let _opening = sessions.admit(namespace, gateway.max_sessions)?;
    let opening = open_reader(&identity, &sessions.endpoints, object, gateway);
    let opened = gateway.readers.get_or_open(&key, opening).await;
    let opened = opened.map_err(|fault| fault.for_namespace(&sessions.store));
    let session = NamespaceSession {
        key,
        reader: opened.as_ref().map(Arc::downgrade).unwrap_or_default(),
        fault: opened.as_ref().err().cloned(),
        widened: policy.and_then(|policy| policy.widened),
    };
    let is_recovered = sessions.record(namespace, session);
    opened.map(|reader| OpenedSession { reader, is_recovered })
}

/// Opens the reader of an identity.
///
/// # Errors
/// The fault of an identity that AWS does not accept.
pub(crate) async fn open_reader(
    identity: &Identity,
    endpoints: &EndpointOptions,
    object: &ObjectRef,
    gateway: &Gateway,
) -> Result<Reader<AwsApi>, StoreFault> {
    let api = gateway.aws.api(identity, endpoints);
    let (audit_sink, changed) = (gateway.audit_sink.clone(), gateway.changed_parameters.clone());
    let opened = Reader::open(api, &gateway.quotas, audit_sink, changed, object, &gateway.alarm).await;
    opened.map_err(|error| failed_identity(error, identity, endpoints))
}
