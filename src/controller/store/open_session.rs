//! Opens the sessions of a store that has one for each namespace.

use std::sync::{Arc, Weak};

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
    aws::{
        client::AwsApi,
        endpoints::options::EndpointOptions,
        identity::{Identity, Source},
    },
    domain::{
        Fault,
        access::grant::Grant,
        audit::{ObjectRef, Principal},
        iam::session_policy::LONGEST,
        identity::{session::SessionOwner, store_identity::StoreIdentity},
        parameter::scope::Scope,
    },
    parameters::{ReadMode, Reader, identify},
};

/// Lengths of session policies that are tried. STS limits policy and tags together in a form that it does not document, so a
/// policy may be too long in that form.
const POLICY_LENGTHS: [usize; 4] = [LONGEST, 1_400, 900, 500];

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
    object: &ObjectRef,
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
    if matches!((&first.source, first.roles.as_slice()), (Source::Static(_), [])) {
        // Nothing else would tell that an access key is wrong before the first namespace reads.
        let api = gateway.aws.api(&first, &endpoints);
        let known = identify(&api, &*gateway.audit_sink, object).await;
        known.map_err(|error| failed_identity(error, &first, &endpoints))?;
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
    grant: Option<&Arc<Grant>>,
    object: &ObjectRef,
    gateway: &Gateway,
) -> Result<OpenedSession, Fault> {
    let already_open = |reader| Ok(OpenedSession { reader, is_recovered: false });
    let sessions = match sessions {
        Sessions::Shared(reader) => return already_open(Arc::clone(reader)),
        Sessions::PerNamespace(sessions) => sessions,
    };
    if let Some(reader) = sessions.current(namespace, grant) {
        return already_open(reader);
    }
    let session = NamespaceSession {
        grant: grant.map(Arc::downgrade).unwrap_or_default(),
        waits_for_room: false,
        reader: Weak::new(),
        fault: None,
        widened: None,
    };
    let _opening = match sessions.admit(namespace, gateway.max_sessions) {
        Ok(opening) => opening,
        Err(fault) => {
            let session = NamespaceSession { waits_for_room: true, fault: Some(fault.clone()), ..session };
            sessions.record(namespace, session);
            return Err(fault);
        }
    };
    let (opened, widened) = open_limited(sessions, namespace, grant, object, gateway).await?;
    let opened = opened.map_err(|fault| fault.for_namespace(&sessions.store));
    let session = NamespaceSession {
        reader: opened.as_ref().map(Arc::downgrade).unwrap_or_default(),
        fault: opened.as_ref().err().cloned(),
        widened,
        ..session
    };
    let is_recovered = sessions.record(namespace, session);
    opened.map(|reader| OpenedSession { reader, is_recovered })
}

/// Opens the session of a namespace with a policy as exact as STS takes it. Returns what of it is wider than the grant.
///
/// # Errors
/// `StoreNotReady` if no role can have the name that follows from that of the namespace.
async fn open_limited(
    sessions: &NamespaceSessions,
    namespace: &str,
    grant: Option<&Arc<Grant>>,
    object: &ObjectRef,
    gateway: &Gateway,
) -> Result<(Result<StoreReader, StoreFault>, Option<String>), Fault> {
    let mut lengths = POLICY_LENGTHS.into_iter().peekable();
    loop {
        let policy = sessions.policy(grant.map(Arc::as_ref), lengths.next().unwrap_or_default());
        let json = policy.as_ref().map(|policy| policy.json.as_str());
        let identity = sessions.identity(gateway.cluster(), namespace, json)?;
        let key = gateway.aws.key(&identity, &sessions.endpoints);
        let opening = open_reader(&identity, &sessions.endpoints, object, gateway);
        let opened = gateway.readers.get_or_open(&key, opening).await;
        let is_too_large = opened.as_ref().is_err_and(StoreFault::is_about_packed_policy);
        if policy.is_none() || !is_too_large || lengths.peek().is_none() {
            return Ok((opened, policy.and_then(|policy| policy.widened)));
        }
    }
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
