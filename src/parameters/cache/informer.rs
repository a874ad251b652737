//! The cache as its users see it. As informers do in client-go, it keeps a local copy of remote state current and
//! notifies those who watch it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc::UnboundedSender, oneshot::Receiver},
    time::Instant,
};

use crate::background::{Alarm, BackgroundTask};
use crate::domain::{
    audit::ObjectRef,
    parameter::{
        key::{ParameterKey, ParameterKeys},
        name::ParameterRef,
        path_query::PathQuery,
        revision::{Metadata, Versions},
        scope::Scope,
    },
    plan::types::{Lookups, Reads},
};
use crate::parameters::{
    audited_client::AuditedClient,
    batch::batcher::Batcher,
    cache::{
        describe,
        description_queue::Description,
        key_discovery,
        key_evidence::Evidence,
        observation::Observation,
        poll,
        shared::Shared,
        snapshot::{self, LookupResult, Snapshot},
        subscription::{Subscriber, Subscription},
        version_order::VersionAge,
        version_table::Looks,
    },
    port::ParameterApi,
    quota::priority::Priority,
    read_error::ReadError,
};

/// How old a listing may be that a new object uses.
const RECENT: Duration = Duration::from_secs(5);

/// Watches the names and paths of one identity. Stops when dropped.
pub(crate) struct Informer<A> {
    shared: Arc<Shared<A>>,
    _tasks: [BackgroundTask; 3],
}

impl<A: ParameterApi> Informer<A> {
    /// Starts polling. Sends the objects whose parameters changed to `changed`. `offset`, from 0 to 1, is where within
    /// their period the first polls are made. Raises `alarm` if polling ends.
    pub(crate) fn start(
        client: Arc<AuditedClient<A>>,
        batcher: Arc<Batcher<A>>,
        scope: Scope,
        changed: UnboundedSender<Subscriber>,
        offset: f64,
        alarm: &Alarm,
    ) -> Self {
        let shared = Arc::new(Shared::new(client, batcher, scope, changed, offset));
        let polls = poll::run(Arc::clone(&shared));
        let discovery = key_discovery::run(Arc::clone(&shared));
        let descriptions = describe::run(Arc::clone(&shared));
        let tasks = [
            BackgroundTask::spawn("checks parameters for changes", alarm, polls),
            BackgroundTask::spawn("watches the state of KMS keys", alarm, discovery),
            BackgroundTask::spawn("describes parameters whose keys access rules ask for", alarm, descriptions),
        ];
        Self { shared, _tasks: tasks }
    }

    /// Makes an object watch exactly this. With `check_now`, what was never seen is checked as soon as possible.
    pub(crate) fn subscribe(&self, object: &ObjectRef, subscription: Subscription, check_now: bool) -> Subscriber {
        let subscriber = self.shared.table().subscribe(object, subscription, check_now, Instant::now());
        self.shared.schedule_changed.notify_one();
        subscriber
    }

    /// Makes an object watch nothing.
    pub(crate) fn unsubscribe(&self, subscriber: &Subscriber) {
        self.shared.table().unsubscribe(subscriber);
    }

    /// Records what a read found. The name is not checked again before its time. Reports false if the answer was stale:
    /// older than one that was seen before.
    pub(crate) fn record(&self, parameter_ref: &ParameterRef, observation: Observation) -> bool {
        self.shared.record(parameter_ref, observation)
    }

    /// Restores the newest version that was seen before a restart, so that an older one is not taken for news.
    pub(crate) fn remember_version(&self, parameter_ref: &ParameterRef, age: VersionAge) {
        self.shared.table().remember_version(parameter_ref, age);
    }

    /// Notes that a value was decrypted, and with which key if that is known.
    pub(crate) fn decrypted(&self, parameter_ref: &ParameterRef, version: i64, key: Option<&str>) {
        let mut table = self.shared.table();
        // The object may have gone while its value was read.
        let Some(parameter_ref) = &table.watched_as(parameter_ref) else { return };
        table.decrypted(parameter_ref, Instant::now());
        if key.is_some() {
            table.keys.record(parameter_ref, version, key);
            self.shared.key_unknown.notify_one();
        }
        // A key that decrypts is usable, whatever KMS said of it before.
        let id = table.keys.id(parameter_ref, version).cloned();
        let has_warning = |id: &Arc<str>| self.shared.client.last_key_state(id).is_some_and(|state| !state.is_usable());
        if let Some(id) = id.filter(has_warning) {
            self.shared.client.forget_key_state(&id);
            table.keys.describe_again(id);
            self.shared.key_unknown.notify_one();
        }
    }

    /// Restores the key of a version that was known before a restart.
    pub(crate) fn remember_key(&self, parameter_ref: &ParameterRef, version: i64, key: &str) {
        let mut table = self.shared.table();
        if let Some(parameter_ref) = &table.watched_as(parameter_ref)
            && table.keys.id(parameter_ref, version).is_none()
        {
            table.keys.record(parameter_ref, version, Some(key));
            self.shared.key_unknown.notify_one();
        }
    }

    /// Has a name of the own account and region described.
    pub(crate) fn describe(&self, name: &str, object: &ObjectRef) -> Receiver<Description> {
        let receiver = self.shared.descriptions().ask(name, object);
        self.shared.description_wanted.notify_one();
        receiver
    }

    /// Returns what AWS said of the key of a name, in whatever version.
    pub(crate) fn key_evidence(&self, parameter_ref: &ParameterRef) -> Option<Evidence> {
        self.shared.table().keys.evidence.get(parameter_ref).cloned()
    }

    /// Keeps what AWS said of the key of a name, for as long as somebody watches it.
    pub(crate) fn add_key_evidence(&self, parameter_ref: &ParameterRef, evidence: Evidence) {
        let mut table = self.shared.table();
        if let Some(parameter_ref) = table.watched_as(parameter_ref) {
            table.keys.evidence.add(&parameter_ref, evidence);
        }
    }

    /// Returns what was last observed of a name that exists.
    pub(crate) fn observed(&self, parameter_ref: &ParameterRef) -> Option<Metadata> {
        self.shared.table().observation(parameter_ref)?.result.as_ref().ok().cloned()
    }

    /// Lists paths now: those that could not be listed before or not recently enough for a new object, or, with `refresh`,
    /// all. Waits until that is done.
    pub(crate) async fn list(&self, queries: &BTreeSet<PathQuery>, priority: Priority, refresh: bool) {
        let requests: Vec<_> = {
            let mut table = self.shared.table();
            let now = Instant::now();
            // Whoever creates a parameter and then an object expects to find the parameter.
            let most = (priority == Priority::New).then_some(RECENT);
            let is_due = |query: &&PathQuery| refresh || !table.listings.is_listed(query, most, now);
            let due: Vec<_> = queries.iter().filter(is_due).collect();
            due.into_iter().filter_map(|query| table.listings.request(query, priority, refresh, now)).collect()
        };
        self.shared.schedule_changed.notify_one();
        for ended in requests {
            // Nothing is ever sent: the sender is dropped.
            let _ = ended.await;
        }
    }

    /// Returns what is known of these names.
    pub(crate) fn snapshot(&self, reads: &Reads<'_>) -> Snapshot {
        snapshot::snapshot(&self.shared.table(), reads)
    }

    /// Returns what is known of these lookups. `None` if one of them was never observed.
    pub(crate) fn cached_lookup(&self, lookups: &Lookups) -> Option<LookupResult> {
        snapshot::lookup(&self.shared.table(), &self.shared.scope, lookups)
    }

    /// Reports whether the version of a name is known.
    pub(crate) fn has_version(&self, parameter_ref: &ParameterRef) -> bool {
        self.shared.table().observation(parameter_ref).is_some_and(|observation| observation.result.is_ok())
    }

    /// Reports whether a name, or its version or label, is known not to exist.
    pub(crate) fn is_absent(&self, parameter_ref: &ParameterRef) -> bool {
        let table = self.shared.table();
        let observation = table.observation(parameter_ref);
        observation.is_some_and(|observation| observation.result.as_ref().is_err_and(ReadError::is_absence))
    }

    /// Returns when the newest change of any of these was observed.
    pub(crate) fn changed_at<'a>(
        &self,
        names: impl Iterator<Item = &'a ParameterRef>,
        queries: &BTreeSet<PathQuery>,
    ) -> Option<Instant> {
        let table = self.shared.table();
        let names = names.filter_map(|parameter_ref| table.changed_at(parameter_ref));
        names.chain(queries.iter().filter_map(|query| table.listings.changed_at(query))).max()
    }

    /// Returns a sentence about each key in use that cannot be used.
    pub(crate) fn key_warnings(&self) -> Vec<String> {
        let (table, client) = (self.shared.table(), &self.shared.client);
        let warning = |id: &Arc<str>| {
            let state = client.last_key_state(id)?;
            let parameters = || format!("{} parameters", table.keys.encrypted_by(id).count());
            if state.is_usable() { None } else { state.warning(&parameters()) }
        };
        table.keys.in_use().into_iter().filter_map(warning).collect()
    }

    /// Returns what is known of the keys of these versions.
    pub(crate) fn keys(&self, versions: &Versions) -> ParameterKeys {
        let (table, client) = (self.shared.table(), &self.shared.client);
        let key = |(parameter_ref, metadata): (&ParameterRef, &Option<Metadata>)| {
            let id = table.keys.id(parameter_ref, metadata.as_ref()?.version)?;
            let (is_described, state) = (client.is_key_described(id), client.last_key_state(id));
            Some((parameter_ref.clone(), ParameterKey::new(id, is_described, state)))
        };
        versions.iter().filter_map(key).collect()
    }

    /// Returns how many bytes the values of these parameters have at least, as far as listings have shown that.
    pub(crate) fn least_size(&self, reads: &Reads<'_>, queries: &BTreeSet<PathQuery>) -> usize {
        let table = self.shared.table();
        reads.keys().filter_map(|name| table.listings.least_size(queries.iter(), name)).sum()
    }

    /// Returns the number of watched names and of watched paths.
    pub(crate) fn watched(&self) -> (usize, usize) {
        self.shared.table().watched()
    }

    /// Returns how well the looks at names and paths keep up.
    pub(crate) fn looks(&self) -> Looks {
        self.shared.table().looks(Instant::now())
    }

    /// Returns the number of watched names, and the calls a second that polling takes.
    pub(crate) fn load(&self) -> (usize, f64) {
        self.shared.table().load()
    }
}
