//! The sessions that a store reads in: one for all namespaces, or one for each namespace that reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::controller::{index::StoreKey, store::source::LoadedSource};
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
        audit::Principal,
        iam::session_policy::{SessionPolicy, session_policy_within},
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
}

/// The sessions of a store that has one for each namespace. Each is open while somebody holds its reader.
pub(crate) struct NamespaceSessions {
    /// The store.
    pub(super) store: StoreKey,
    /// Its identity.
    pub(super) identity: StoreIdentity,
    /// Its first credentials.
    pub(super) source: LoadedSource,
    /// Where AWS is called for it.
    pub(super) endpoints: EndpointOptions,
    /// The place that plain names belong to.
    pub(super) scope: Scope,
    /// How it decrypts.
    pub(super) mode: ReadMode,
    /// The role that the sessions are of.
    pub(super) role: Principal,
    /// Tells what all sessions share from what others share.
    pub(super) shared_key: ApiKey,
    /// Keeps the session that assumes the roles of the namespaces.
    pub(super) _shared: IdentityCredentials,
    /// The sessions.
    pub(super) by_namespace: Mutex<BTreeMap<String, NamespaceSession>>,
    /// Those that are being opened, by namespace.
    pub(super) opening: Mutex<BTreeMap<String, usize>>,
}

/// Counts a session that is being opened.
pub(super) struct Opening<'a> {
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
pub(super) struct NamespaceSession {
    /// The grant that it was opened for.
    pub(super) grant: Weak<Grant>,
    /// Whether it was not opened because others are.
    pub(super) waits_for_room: bool,
    /// Its reader, while somebody holds it.
    pub(super) reader: Weak<Reader<AwsApi>>,
    /// Why the last attempt to open it failed.
    pub(super) fault: Option<Fault>,
    /// What of its policy is wider than the access rules.
    pub(super) widened: Option<String>,
}

impl NamespaceSessions {
    /// Returns the policy of the session of a namespace, of at most `longest` characters, if sessions are limited.
    pub(super) fn policy(&self, grant: Option<&Grant>, longest: usize) -> Option<SessionPolicy> {
        let grant = grant.filter(|_| self.identity.is_limited)?;
        let decryption = match self.mode {
            ReadMode::Ciphertext => Decryption::Direct,
            ReadMode::Decrypt | ReadMode::Version => Decryption::ViaSsm,
        };
        Some(session_policy_within(grant, &self.scope, decryption, longest))
    }

    /// Returns the identity that reads for a namespace of this cluster.
    ///
    /// # Errors
    /// `StoreNotReady` if no role can have the name that follows from that of the namespace.
    pub(super) fn identity(&self, cluster: &str, namespace: &str, policy: Option<&str>) -> Result<Identity, Fault> {
        let store = &self.store.name;
        let owner = SessionOwner { cluster, store, store_namespace: None, reader: Some(namespace) };
        self.source.identity(&self.identity, owner, policy)
    }

    /// Returns the reader of a namespace, if its session is open for this grant.
    pub(super) fn current(&self, namespace: &str, grant: Option<&Arc<Grant>>) -> Option<StoreReader> {
        let sessions = self.by_namespace.lock();
        // While the session refers to its grant, no other one has the same address.
        let is_for = |session: &&NamespaceSession| match grant {
            Some(grant) => session.grant.as_ptr() == Arc::as_ptr(grant),
            None => session.grant.strong_count() == 0,
        };
        sessions.get(namespace).filter(is_for)?.reader.upgrade()
    }

    /// Returns the namespaces that wait for another one to give up its session, if there is room for one by now.
    pub(super) fn waiting_for_room(&self, most: usize) -> Vec<String> {
        let sessions = self.by_namespace.lock();
        let open = sessions.values().filter(|session| session.reader.strong_count() > 0).count();
        let waiting = sessions.iter().filter(|(_, session)| session.waits_for_room && open < most);
        waiting.map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Checks that one more session may be opened, of at most `most`, and counts it until the result is dropped. Removes those
    /// that nobody uses any more.
    ///
    /// # Errors
    /// `StoreNotReady`, with the remedy.
    pub(super) fn admit<'a>(&'a self, namespace: &'a str, most: usize) -> Result<Opening<'a>, Fault> {
        let mut sessions = self.by_namespace.lock();
        sessions.retain(|_, session| session.fault.is_some() || session.reader.strong_count() > 0);
        let mut opening = self.opening.lock();
        let open = sessions.iter().filter(|(_, session)| session.fault.is_none()).map(|(namespace, _)| namespace);
        let open: BTreeSet<_> = open.chain(opening.keys()).filter(|other| *other != namespace).collect();
        let open = open.len();
        if open < most {
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

    /// Keeps what became of an attempt to open a session. Returns whether the attempt before it failed.
    pub(super) fn record(&self, namespace: &str, session: NamespaceSession) -> bool {
        let former = self.by_namespace.lock().insert(namespace.to_owned(), session);
        former.is_some_and(|former| former.fault.is_some())
    }

    /// Returns why sessions could not be opened for the namespaces that `reads` says still want one, and what of the policies
    /// of open sessions is wider than the access rules, each by namespace. Forgets the other failures.
    pub(super) fn problems(&self, reads: impl Fn(&str) -> bool) -> (BTreeMap<String, Fault>, BTreeMap<String, String>) {
        let mut sessions = self.by_namespace.lock();
        sessions.retain(|namespace, session| session.fault.is_none() || reads(namespace));
        let faults =
            sessions.iter().filter_map(|(namespace, session)| Some((namespace.clone(), session.fault.clone()?)));
        let widened = sessions.iter().filter(|(_, session)| session.reader.strong_count() > 0);
        let widened = widened.filter_map(|(namespace, session)| Some((namespace.clone(), session.widened.clone()?)));
        (faults.collect(), widened.collect())
    }
}
