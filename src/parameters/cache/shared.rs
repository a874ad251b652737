//! What the polling tasks and the users of the cache share.
//!
//! # Concurrency
//!
//! One mutex guards the table, one the queue of names to describe. They are held for in-memory work only and never across
//! an `.await`. Three tasks run for as long as the informer exists: `poll`, which starts a task for everything that is due,
//! `key_discovery`, and `describe`, for what somebody waits for. Each listens to a `Notify` of its own and reads the table again whenever it is woken; `notify_one` stores one permit
//! while nobody listens, so that no wake-up is lost.
//!
//! Observations are recorded under the lock, and their subscribers notified after it: a subscriber that is notified
//! always finds the new observation.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    time::Instant,
};

use crate::domain::parameter::{name::ParameterRef, scope::Scope};
use crate::parameters::{
    audited_client::AuditedClient,
    batch::batcher::Batcher,
    cache::{
        description_queue::DescriptionQueue,
        observation::Observation,
        subscription::Subscriber,
        version_table::{Recorded, VersionTable},
    },
};

/// What the polling tasks and the users of the cache share.
pub(crate) struct Shared<A> {
    pub(crate) client: Arc<AuditedClient<A>>,
    pub(crate) batcher: Arc<Batcher<A>>,
    pub(crate) scope: Scope,
    table: Mutex<VersionTable>,
    /// Wakes the polling task after something else may be due.
    pub(crate) schedule_changed: Notify,
    /// Wakes the key discovery after a key may be unknown.
    pub(crate) key_unknown: Notify,
    descriptions: Mutex<DescriptionQueue>,
    /// Wakes the task that describes parameters after somebody waits for it.
    pub(crate) description_wanted: Notify,
    changed: UnboundedSender<Subscriber>,
}

impl<A> Shared<A> {
    /// Returns the shared state of an empty cache. Changes are sent to `changed`; `offset` shifts the polls, see
    /// [`VersionTable`].
    pub(crate) fn new(
        client: Arc<AuditedClient<A>>,
        batcher: Arc<Batcher<A>>,
        scope: Scope,
        changed: UnboundedSender<Subscriber>,
        offset: f64,
    ) -> Self {
        let table = Mutex::new(VersionTable::new(offset));
        Self {
            client,
            batcher,
            scope,
            table,
            schedule_changed: Notify::new(),
            key_unknown: Notify::new(),
            descriptions: Mutex::default(),
            description_wanted: Notify::new(),
            changed,
        }
    }

    /// Locks the table.
    pub(crate) fn table(&self) -> MutexGuard<'_, VersionTable> {
        self.table.lock()
    }

    /// Locks the queue of names to describe. Never held together with the table.
    pub(crate) fn descriptions(&self) -> MutexGuard<'_, DescriptionQueue> {
        self.descriptions.lock()
    }

    /// Records an observation and notifies the subscribers that have to act on it. Reports false if it was stale.
    pub(crate) fn record(&self, parameter_ref: &ParameterRef, observation: Observation) -> bool {
        let (recorded, is_key_unknown, has_first_looks) = {
            let mut table = self.table();
            let recorded = table.observe(parameter_ref, observation, Instant::now());
            (recorded, table.keys.has_work(), table.has_first_looks())
        };
        if is_key_unknown {
            self.key_unknown.notify_one();
        }
        if has_first_looks {
            self.schedule_changed.notify_one();
        }
        match recorded {
            Recorded::Fresh(subscribers) => {
                self.notify(subscribers);
                true
            }
            Recorded::Stale => {
                // It is to be checked again soon.
                self.schedule_changed.notify_one();
                false
            }
        }
    }

    /// Ends a version check that was due.
    pub(crate) fn end_check(&self, parameter_ref: &ParameterRef) {
        let has_first_looks = {
            let mut table = self.table();
            table.end_check(parameter_ref);
            table.has_first_looks()
        };
        if has_first_looks {
            self.schedule_changed.notify_one();
        }
    }

    /// Notifies subscribers of a change.
    pub(crate) fn notify(&self, subscribers: impl IntoIterator<Item = Subscriber>) {
        for subscriber in subscribers {
            // The receiver is dropped only when the process ends.
            let _ = self.changed.send(subscriber);
        }
    }
}
