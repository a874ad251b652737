//! The sessions that a store reads in: one for all namespaces, or one for each namespace that reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::controller::{
    context::Context,
    index::StoreKey,
    store::{
        fault::StoreFault,
        source::{LoadedSource, failed_identity},
    },
};
use crate::{
    api::{Decryption, Reason},
    aws::{
        client::{ApiKey, AwsApi},
        endpoints::options::EndpointOptions,
        identity::{Identity, IdentityCredentials},
    },
    domain::{
        Fault,
        access::grant::Grant,
        audit::{ObjectRef, Principal},
        iam::session_policy::{SessionPolicy, session_policy},
        identity::{session::SessionOwner, store_identity::StoreIdentity},
        parameter::scope::Scope,
    },
    parameters::{ReadMode, Reader},
};

/// Reads as one identity.
pub(crate) type StoreReader = Arc<Reader<AwsApi>>;

/// The sessions of a store.
#[derive(Clone)]
pub(crate) enum Sessions {
    /// One for all namespaces.
    Shared(StoreReader),
    /// One for each namespace.
    PerNamespace(Arc<NamespaceSessions>),
}

impl Sessions {
    /// Reports whether objects read in the same sessions.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Shared(one), Self::Shared(other)) => Arc::ptr_eq(one, other),
            (Self::PerNamespace(one), Self::PerNamespace(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Returns the reader of all namespaces, if there is one.
    pub(crate) const fn shared(&self) -> Option<&StoreReader> {
        match self {
            Self::Shared(reader) => Some(reader),
            Self::PerNamespace(_) => None,
        }
    }

    /// Returns the place that plain names belong to.
    pub(crate) fn scope(&self) -> &Scope {
        match self {
            Self::Shared(reader) => reader.scope(),
            Self::PerNamespace(sessions) => &sessions.scope,
        }
    }

    /// Returns who reads. Where each namespace has a session, this is the role that they are sessions of.
    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::Shared(reader) => reader.principal(),
            Self::PerNamespace(sessions) => &sessions.role,
        }
    }

    /// Returns the readers that are open.
    pub(crate) fn open_readers(&self) -> Vec<StoreReader> {
        match self {
            Self::Shared(reader) => vec![Arc::clone(reader)],
            Self::PerNamespace(sessions) => {
                sessions.by_namespace.lock().values().filter_map(|session| session.reader.upgrade()).collect()
            }
        }
    }

    /// Returns the reader of a namespace. Opens its session if that is not open.
    ///
    /// # Errors
    /// The fault for the objects of that namespace.
    pub(crate) async fn open(
        &self,
        namespace: &str,
        grant: Option<&Grant>,
        object: &ObjectRef,
        context: &Context,
    ) -> Result<StoreReader, Fault> {
        match self {
            Self::Shared(reader) => Ok(Arc::clone(reader)),
            Self::PerNamespace(sessions) => sessions.open(namespace, grant, object, context).await,
        }
    }
}

/// The sessions of a store that has one for each namespace. Each is open while somebody holds its reader.
pub(crate) struct NamespaceSessions {
    store: StoreKey,
    identity: StoreIdentity,
    source: LoadedSource,
    endpoints: EndpointOptions,
    scope: Scope,
    mode: ReadMode,
    role: Principal,
    /// Tells what all sessions share from what others share.
    shared_key: ApiKey,
    /// Keeps the session that assumes the roles of the namespaces.
    _shared: IdentityCredentials,
    by_namespace: Mutex<BTreeMap<String, NamespaceSession>>,
    /// Those that are being opened, by namespace.
    opening: Mutex<BTreeMap<String, usize>>,
}

/// Counts a session that is being opened.
struct Opening<'a> {
    sessions: &'a NamespaceSessions,
    namespace: &'a str,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut opening = self.sessions.opening.lock();
        if let Some(count) = opening.get_mut(self.namespace) {
            *count -= 1;
        }
        opening.retain(|_, count| *count > 0);
    }
}

/// The session of a namespace.
struct NamespaceSession {
    key: ApiKey,
    reader: Weak<Reader<AwsApi>>,
    /// Why the last attempt to open it failed.
    fault: Option<Fault>,
    /// What of its policy is wider than the access rules.
    widened: Option<String>,
}

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

impl NamespaceSessions {
    /// Loads the session that all namespaces share, if there is one. Keeps `previous` while nothing of it changed.
    ///
    /// # Errors
    /// The fault that the store's conditions show.
    pub(crate) async fn prepare(
        common: Common<'_>,
        previous: Option<&Sessions>,
        context: &Context,
    ) -> Result<Arc<Self>, StoreFault> {
        let Common { store, identity, source, endpoints, mode } = common;
        let owner =
            SessionOwner { cluster: context.cluster(), store: &store.name, store_namespace: None, reader: None };
        let shared = StoreIdentity { is_limited: false, ..identity.clone() };
        let shared = StoreIdentity { roles: identity.roles[..identity.shared_roles()].to_vec(), ..shared };
        // Where the first session is already that of a namespace, its ServiceAccount is all that they share.
        let first = source.identity(&shared, owner, None).map_err(StoreFault::of_spec)?;
        let shared_key = context.aws.key(&first, &endpoints);
        if let Some(Sessions::PerNamespace(previous)) = previous
            && (&previous.identity, &previous.shared_key, previous.mode) == (identity, &shared_key, mode)
        {
            return Ok(Arc::clone(previous));
        }
        let credentials = context.aws.credentials(&first, &endpoints);
        if !(identity.roles.is_empty() && source.role_arn().is_some()) {
            credentials.load().await.map_err(|error| failed_identity(error, &first, &endpoints))?;
        }
        let role = identity.roles.last().map_or_else(|| source.role_arn().unwrap_or_default(), |role| &role.role_arn);
        let part = |index| role.split(':').nth(index).unwrap_or_default().to_owned();
        Ok(Arc::new(Self {
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

    async fn open(
        &self,
        namespace: &str,
        grant: Option<&Grant>,
        object: &ObjectRef,
        context: &Context,
    ) -> Result<StoreReader, Fault> {
        let policy = self.policy(grant);
        let identity = self.identity(namespace, policy.as_ref().map(|policy| policy.json.as_str()), context)?;
        let key = context.aws.key(&identity, &self.endpoints);
        if let Some(reader) = self.current(namespace, &key) {
            return Ok(reader);
        }
        let _opening = self.admit(namespace, context)?;
        let opened = context.readers.get_or_open(&key, self.open_reader(&identity, object, context)).await;
        let opened = opened.map_err(|fault| fault.for_namespace(&self.store));
        let session = NamespaceSession {
            key,
            reader: opened.as_ref().map(Arc::downgrade).unwrap_or_default(),
            fault: opened.as_ref().err().cloned(),
            widened: policy.and_then(|policy| policy.widened),
        };
        let former = self.by_namespace.lock().insert(namespace.to_owned(), session);
        if opened.is_ok() && former.is_some_and(|former| former.fault.is_some()) {
            // The others wait for their next attempt.
            let waiting = context.index.lock().subscribers(&self.store);
            let waiting = waiting.into_iter().filter(|other| other.namespace.as_deref() == Some(namespace));
            waiting.for_each(|other| context.queues.add_object(other));
        }
        opened
    }

    fn policy(&self, grant: Option<&Grant>) -> Option<SessionPolicy> {
        let grant = grant.filter(|_| self.identity.is_limited)?;
        let decryption = match self.mode {
            ReadMode::Ciphertext => Decryption::Direct,
            ReadMode::Decrypt | ReadMode::Version => Decryption::ViaSsm,
        };
        Some(session_policy(grant, &self.scope, decryption))
    }

    fn identity(&self, namespace: &str, policy: Option<&str>, context: &Context) -> Result<Identity, Fault> {
        let owner = SessionOwner {
            cluster: context.cluster(),
            store: &self.store.name,
            store_namespace: None,
            reader: Some(namespace),
        };
        self.source.identity(&self.identity, owner, policy)
    }

    fn current(&self, namespace: &str, key: &ApiKey) -> Option<StoreReader> {
        let sessions = self.by_namespace.lock();
        sessions.get(namespace).filter(|session| session.key == *key)?.reader.upgrade()
    }

    /// Checks that one more session may be opened, and counts it until the result is dropped. Removes those that nobody uses
    /// any more.
    fn admit<'a>(&'a self, namespace: &'a str, context: &Context) -> Result<Opening<'a>, Fault> {
        let mut sessions = self.by_namespace.lock();
        sessions.retain(|_, session| session.fault.is_some() || session.reader.strong_count() > 0);
        let mut opening = self.opening.lock();
        let open = sessions.iter().filter(|(_, session)| session.fault.is_none()).map(|(namespace, _)| namespace);
        let open: BTreeSet<_> = open.chain(opening.keys()).filter(|other| *other != namespace).collect();
        let open = open.len();
        if open < context.max_sessions {
            *opening.entry(namespace.to_owned()).or_default() += 1;
            return Ok(Opening { sessions: self, namespace });
        }
        let message = format!(
            "{} reads for {open} namespaces already, each in a session of its own, and the operator allows no more; use another \
             store, or ask whoever runs the operator to raise --max-sessions-per-store.",
            self.store
        );
        Err(Fault::new(Reason::StoreNotReady, message))
    }

    async fn open_reader(
        &self,
        identity: &Identity,
        object: &ObjectRef,
        context: &Context,
    ) -> Result<Reader<AwsApi>, StoreFault> {
        let api = context.aws.api(identity, &self.endpoints);
        let (audit_sink, changed) = (context.audit_sink.clone(), context.changed_parameters.clone());
        let opened = Reader::open(api, &context.quotas, audit_sink, changed, object, &context.alarm).await;
        opened.map_err(|error| failed_identity(error, identity, &self.endpoints))
    }

    /// Returns why sessions could not be opened, and what of their policies is wider than the access rules, by namespace.
    pub(crate) fn problems(&self) -> (BTreeMap<String, Fault>, BTreeMap<String, String>) {
        let sessions = self.by_namespace.lock();
        let faults =
            sessions.iter().filter_map(|(namespace, session)| Some((namespace.clone(), session.fault.clone()?)));
        let widened = sessions.iter().filter(|(_, session)| session.reader.strong_count() > 0);
        let widened = widened.filter_map(|(namespace, session)| Some((namespace.clone(), session.widened.clone()?)));
        (faults.collect(), widened.collect())
    }
}
