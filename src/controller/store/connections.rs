//! Open stores: who reads where, and what that allows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use crate::controller::{index::StoreKey, locked};
use crate::{
    api::AccessRule,
    aws::AwsApi,
    domain::{
        Fault,
        access::grant::{Grant, Namespace},
    },
    parameters::{ReadMode, Reader},
};

/// A store that can serve.
pub struct Session {
    /// Reads on its behalf.
    pub reader: Arc<Reader<AwsApi>>,
    /// What it grants; `None` for a namespaced store, whose own identity is the boundary.
    pub access: Option<Vec<AccessRule>>,
    /// Where and as whom it reads, for revisions: a change means that nothing read before counts.
    pub source: String,
    /// What the reader was opened with. While it stays, the reader does.
    pub fingerprint: String,
    /// Who decrypts.
    pub mode: ReadMode,
    /// How often unchanged values are decrypted again.
    pub revalidate: Option<Duration>,
    /// Whether AWS refused the credentials since they were last found good.
    pub doubt: CredentialHealth,
}

/// Doubt about credentials, shared by the sessions of one reader.
#[derive(Clone, Debug)]
pub struct CredentialHealth(Arc<Mutex<Doubted>>);

#[derive(Debug)]
struct Doubted {
    raised: bool,
    settled_at: Instant,
}

/// Credentials that were found good are not asked about again for this long, however often they are doubted: AWS may
/// accept them for one service and refuse them for another.
const SETTLED: Duration = Duration::from_secs(10);

impl Default for CredentialHealth {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Doubted { raised: false, settled_at: Instant::now() })))
    }
}

impl CredentialHealth {
    /// Notes that AWS refused the credentials.
    pub fn raise(&self) {
        locked(&self.0).raised = true;
    }

    /// How long until it is time to ask; `None` if nobody doubts.
    pub fn ask_in(&self) -> Option<Duration> {
        let doubted = locked(&self.0);
        doubted.raised.then(|| SETTLED.saturating_sub(doubted.settled_at.elapsed()))
    }

    /// Notes that the credentials are good.
    pub fn settle(&self) {
        *locked(&self.0) = Doubted { raised: false, settled_at: Instant::now() };
    }
}

impl Session {
    /// Whether it makes no difference to objects which of the two serves them.
    pub fn serves_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reader, &other.reader)
            && self.access == other.access
            && (self.mode, self.revalidate) == (other.mode, other.revalidate)
    }

    /// What the store grants a namespace.
    ///
    /// # Errors
    /// A glob that is none, as a sentence.
    pub fn grant(&self, namespace: &Namespace) -> Result<Option<Grant>, String> {
        self.access.as_ref().map(|rules| Grant::new(rules, namespace)).transpose()
    }
}

/// All stores, by key: open, or why not.
#[derive(Default)]
pub struct Sessions {
    sessions: Mutex<HashMap<StoreKey, Result<Arc<Session>, Fault>>>,
}

impl Sessions {
    /// The state of a store; `None` if it does not exist.
    pub fn get(&self, store: &StoreKey) -> Option<Result<Arc<Session>, Fault>> {
        locked(&self.sessions).get(store).cloned()
    }

    /// Sets the state of a store.
    pub fn set(&self, store: &StoreKey, session: Result<Arc<Session>, Fault>) {
        locked(&self.sessions).insert(store.clone(), session);
    }

    /// All stores that were looked at.
    pub fn keys(&self) -> Vec<StoreKey> {
        locked(&self.sessions).keys().cloned().collect()
    }

    /// Forgets a store that is gone.
    pub fn remove(&self, store: &StoreKey) {
        locked(&self.sessions).remove(store);
    }
}
