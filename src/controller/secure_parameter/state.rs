//! What the operator remembers of each object between reconciles. Memory only: after a restart, status seeds it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    api::{Condition, ConditionStatus, ConditionType, Reason, SecureParameter, SecureParameterStatus},
    aws::client::AwsApi,
    domain::{
        ownership::owner::{FieldOwnership, SecretMetadata},
        parameter::name::ParameterRef,
        report::status::SsmFallbacks,
        schedule::restart::{LONGEST, QUIET},
    },
    parameters::Reader,
};

/// Repairs of a Secret that are made within [`REPAIR_WINDOW`] before the operator backs off.
const REPAIRS: usize = 3;
/// See [`REPAIRS`].
const REPAIR_WINDOW: Duration = Duration::from_secs(60);

/// What is remembered of one object.
#[derive(Clone, Debug, Default)]
pub struct ObjectState {
    /// The status as last written. The cache may still show an older one.
    pub status: Arc<SecureParameterStatus>,
    /// The object's resource version after that write.
    pub status_version: Option<String>,
    /// A status that could not be written: before that nothing else is done.
    pub unshown: Option<SecureParameterStatus>,
    /// The Secret as last written or judged intact.
    pub secret: Option<SeenSecret>,
    /// Shape of the Secret as last written.
    pub shape: Option<u64>,
    /// Shape of its data.
    pub data_shape: Option<u64>,
    /// The restart of workloads that is to come.
    pub restart: Option<PendingRestart>,
    /// What workloads are restarted for: the Secret and the version that was written last with other content.
    pub restart_token: Option<String>,
    /// What the status says of restarts.
    pub restarted: Option<Restarted>,
    /// The reader that watches its parameters.
    pub watched_by: Option<Arc<Reader<AwsApi>>>,
    /// The audit id of the last failed call that an Event tells of.
    pub told: Option<String>,
    /// Optional parameters that were absent at the last look.
    pub absent: BTreeSet<ParameterRef>,
    /// Whether paths are listed a second time, since the first listing after a start lacks parameters.
    pub second_listing: SecondListing,
    /// What took the detour through Parameter Store at the last read; `None` if there was none yet.
    pub detours: Option<SsmFallbacks>,
    /// Failures in a row.
    pub attempts: u32,
    /// Since when the last attempts failed.
    pub failing_since: Option<Timestamp>,
    /// The last failed read: it is not repeated before its time, unless something that it rests on changed.
    pub failed_read: Option<FailedRead>,
    repairs: VecDeque<Instant>,
}

/// Of the listing that confirms that parameters of a path went while the operator was not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondListing {
    /// None was needed.
    #[default]
    Unneeded,
    /// It is to be made, from then on.
    Due(Instant),
    /// It was made.
    Done,
}

/// A restart of workloads that is to come.
#[derive(Clone, Copy, Debug)]
pub struct PendingRestart {
    /// Since when.
    pub since: Instant,
    /// When.
    pub due: Instant,
}

/// What the condition `Restarted` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarted {
    /// Whether nothing is left to do.
    pub is_done: bool,
    /// Its reason.
    pub reason: Reason,
    /// Its message.
    pub message: String,
}

/// A read that failed.
#[derive(Clone, Debug)]
pub struct FailedRead {
    /// What it rested on: reader, generation and sync annotation.
    pub rests_on: u64,
    /// When it failed.
    pub at: Instant,
    /// When it may be repeated.
    pub retry_at: Instant,
    /// What came of it.
    pub reason: Reason,
}

/// A Secret as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSecret {
    /// uid.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
    /// Who held which field.
    pub fields: FieldOwnership,
}

impl SeenSecret {
    /// The Secret with these facts.
    pub fn of(facts: SecretMetadata) -> Self {
        Self { uid: facts.uid, resource_version: facts.resource_version, fields: facts.fields }
    }
}

impl ObjectState {
    /// What a status tells, after a restart of the operator.
    fn seeded(status: SecureParameterStatus) -> Self {
        let restarted = status.condition(ConditionType::Restarted).and_then(|c| {
            let (is_done, message) = (c.status == ConditionStatus::True, c.message.clone());
            Some(Restarted { is_done, reason: c.known_reason()?, message })
        });
        // What was still to be done then is done now; what was restarted for the same Secret is left alone.
        let is_pending = restarted.as_ref().is_some_and(|restarted| !restarted.is_done);
        let now = Instant::now();
        let restart = is_pending.then(|| PendingRestart { since: now, due: now + QUIET });
        let restart_token = status.restart_token.clone();
        Self { status: Arc::new(status), restart, restart_token, restarted, ..Self::default() }
    }

    /// Notes that workloads are to be restarted, some time after the last change.
    pub fn plan_restart(&mut self, now: Instant) {
        let since = self.restart.map_or(now, |restart| restart.since);
        self.restart = Some(PendingRestart { since, due: (now + QUIET).min(since + LONGEST) });
    }

    /// Whether the object shows, after our last write, another status than the one written: somebody changed it.
    pub fn is_contradicted(&self, object: &SecureParameter) -> bool {
        let version = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let written = version(self.status_version.as_deref());
        let shown = version(object.metadata.resource_version.as_deref());
        // Resource versions of one kind can be compared (Kubernetes API concepts, since 1.35; so in fact before).
        let is_newer = written.is_some_and(|written| shown.is_some_and(|shown| shown > written));
        is_newer && object.status.as_ref() != Some(&*self.status)
    }

    /// Whether the Secret may be repaired: not if that was done too often of late.
    pub fn may_repair(&mut self, now: Instant) -> bool {
        while self.repairs.front().is_some_and(|at| now.duration_since(*at) >= REPAIR_WINDOW) {
            self.repairs.pop_front();
        }
        self.repairs.len() < REPAIRS
    }

    /// Notes that the Secret was repaired.
    pub fn repaired(&mut self, now: Instant) {
        self.repairs.push_back(now);
    }

    /// How long until a repair may be made again.
    pub fn until_repair(&self, now: Instant) -> Duration {
        let oldest = self.repairs.front().filter(|_| self.repairs.len() >= REPAIRS);
        oldest.map_or(Duration::ZERO, |at| (*at + REPAIR_WINDOW).saturating_duration_since(now))
    }

    /// Forgets failures.
    pub fn succeeded(&mut self) {
        self.attempts = 0;
        self.failing_since = None;
        self.failed_read = None;
    }

    /// Counts a failure. Answers with how many there were in a row, and since when.
    pub fn failed(&mut self, now: Timestamp) -> (u32, Timestamp) {
        self.attempts = self.attempts.saturating_add(1);
        (self.attempts, *self.failing_since.get_or_insert(now))
    }
}

/// The memories of all objects, by uid.
#[derive(Debug, Default)]
pub struct ObjectStates {
    memories: Mutex<HashMap<String, ObjectState>>,
}

impl ObjectStates {
    /// What is remembered of an object; `status` is what the cache shows, for an object that is not remembered.
    pub fn recall(&self, uid: &str, status: Option<&SecureParameterStatus>) -> ObjectState {
        let memories = self.memories.lock();
        let reported = || status.filter(|status| status.is_reported()).cloned().unwrap_or_default();
        memories.get(uid).cloned().unwrap_or_else(|| ObjectState::seeded(reported()))
    }

    /// Whether the object shows another status than the one last written.
    pub fn contradicts(&self, object: &SecureParameter) -> bool {
        let memories = self.memories.lock();
        let memory = object.metadata.uid.as_ref().and_then(|uid| memories.get(uid));
        memory.is_some_and(|memory| memory.is_contradicted(object))
    }

    /// Remembers.
    pub fn remember(&self, uid: &str, memory: ObjectState) {
        self.memories.lock().insert(uid.to_owned(), memory);
    }

    /// Forgets an object that is gone. Answers with what was remembered.
    pub fn forget(&self, uid: &str) -> Option<ObjectState> {
        self.memories.lock().remove(uid)
    }

    /// How many objects show which reason.
    pub fn by_reason(&self) -> BTreeMap<Reason, i64> {
        let memories = self.memories.lock();
        let mut counts = BTreeMap::new();
        for memory in memories.values() {
            let reason = memory.status.condition(ConditionType::Ready).and_then(Condition::known_reason);
            *counts.entry(reason.unwrap_or(Reason::Progressing)).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn restarts_wait_for_quiet_but_not_for_ever() {
        let (mut memory, start) = (ObjectState::default(), Instant::now());
        let mut due = |second| {
            memory.plan_restart(start + Duration::from_secs(second));
            memory.restart.map(|restart| restart.due - start)
        };
        for (second, expected) in [(0, 5), (3, 8), (20, 25), (27, 30), (29, 30)] {
            assert_eq!(due(second), Some(Duration::from_secs(expected)), "{second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn three_repairs_a_minute() {
        let mut memory = ObjectState::default();
        let start = Instant::now();
        for second in 0..3 {
            assert!(memory.may_repair(start + Duration::from_secs(second)));
            memory.repaired(start + Duration::from_secs(second));
        }
        assert!(!memory.may_repair(start + Duration::from_secs(59)));
        assert_eq!(memory.until_repair(start + Duration::from_secs(59)), Duration::from_secs(1));
        assert!(memory.may_repair(start + Duration::from_secs(60)));
        memory.repaired(start + Duration::from_secs(60));
        assert!(!memory.may_repair(start + Duration::from_millis(60_500)));
    }
}
