//! What the batcher knows: queues, calls in flight, fallbacks. Pure; time is an argument.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::{
    batch::{
        in_flight::InFlight,
        queue::RequestQueue,
        requests::{QueuedName, ReadReply, ReadRequest, Waiter},
        ssm_fallback::SsmFallbacks,
    },
    port::ReadMode,
};

/// How long after the last request for values the batcher still counts as busy.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// The state of the batcher.
#[derive(Debug, Default)]
pub(crate) struct State {
    queues: Queues,
    in_flight: InFlight,
    pub(crate) fallbacks: SsmFallbacks,
    /// When values were last requested.
    values_requested_at: Option<Instant>,
}

/// A queue for each kind of call.
#[derive(Debug, Default)]
struct Queues {
    version: RequestQueue,
    decrypt: RequestQueue,
    ciphertext: RequestQueue,
}

impl State {
    /// Takes a request: its name joins a call in flight, or waits for the next one. Reports whether it waits.
    pub(crate) fn request(&mut self, request: ReadRequest, reply: oneshot::Sender<ReadReply>, now: Instant) -> bool {
        let ReadRequest { parameter_ref, mode, optional, priority, tenant, objects, not_before, changed_at } = request;
        let is_direct = mode == ReadMode::Ciphertext;
        let fallback = is_direct.then(|| self.fallbacks.get(&parameter_ref.arn, changed_at, now)).flatten();
        let mode = match mode {
            // Parameter Store passes on the secrets of Secrets Manager decrypted or not at all.
            ReadMode::Version | ReadMode::Ciphertext if parameter_ref.is_reference() => ReadMode::Decrypt,
            ReadMode::Ciphertext if fallback.is_some() => ReadMode::Decrypt,
            mode => mode,
        };
        if mode != ReadMode::Version {
            self.values_requested_at = Some(now);
        }
        let waiter = Waiter { reply, objects, optional, since: now, fallback };
        let waiter = match not_before {
            Some(not_before) => self.in_flight.join(mode, &parameter_ref, not_before, waiter),
            None => Some(waiter),
        };
        let Some(waiter) = waiter else { return false };
        self.queue_mut(mode).add(QueuedName::new(parameter_ref, waiter, priority, tenant));
        true
    }

    /// Puts names back into their queue. Names that nobody waits for any more are dropped.
    pub(crate) fn requeue(&mut self, mode: ReadMode, names: Vec<QueuedName>) {
        for mut name in names {
            if name.is_awaited() {
                self.queue_mut(mode).add(name);
            }
        }
    }

    /// Puts the parts of a failed call into their queue, to be called for separately.
    pub(crate) fn requeue_parts(&mut self, mode: ReadMode, parts: [Vec<QueuedName>; 2]) {
        for part in parts {
            self.queue_mut(mode).add_part(part);
        }
    }

    /// Requests a name alone from now on.
    pub(crate) fn isolate(&mut self, mode: ReadMode, parameter_ref: &ParameterRef) {
        self.queue_mut(mode).isolate(parameter_ref);
    }

    /// Requests a name together with others again.
    pub(crate) fn end_isolation(&mut self, mode: ReadMode, parameter_ref: &ParameterRef) {
        self.queue_mut(mode).end_isolation(parameter_ref);
    }

    /// Returns the kind of call that is to be made next, and its deadline. `None` if nothing waits.
    pub(crate) fn most_urgent(&self) -> Option<(ReadMode, Instant)> {
        let deadline = |mode| self.queue(mode).deadline().map(|deadline| (mode, deadline));
        // Of equal deadlines the first wins: values before versions.
        let modes = [ReadMode::Decrypt, ReadMode::Ciphertext, ReadMode::Version];
        modes.into_iter().filter_map(deadline).min_by_key(|(_, deadline)| *deadline)
    }

    /// Returns when the batch window of the next call of this kind opened. `None` if that call need not wait.
    pub(crate) fn window_opened_at(&self, mode: ReadMode) -> Option<Instant> {
        self.queue(mode).window_opened_at()
    }

    /// Takes the names of the most urgent call, which is in flight from now on. `None` if nobody waits any more.
    pub(crate) fn begin_call(&mut self, now: Instant) -> Option<(ReadMode, Vec<QueuedName>)> {
        let (mode, _) = self.most_urgent()?;
        let names = self.queue_mut(mode).take(now);
        if names.is_empty() {
            return None;
        }
        self.in_flight.begin(mode, &names, now);
        Some((mode, names))
    }

    /// Notes that a call has ended, and adds those who joined it to its names.
    pub(crate) fn end_call(&mut self, mode: ReadMode, names: &mut [QueuedName], began: Instant) {
        self.in_flight.end(mode, names, began);
    }

    /// Reports whether values are requested, or were a moment ago.
    pub(crate) fn is_busy(&self, now: Instant) -> bool {
        let was_requested = |at: Instant| now.saturating_duration_since(at) < QUIET_AFTER;
        self.values_requested_at.is_some_and(was_requested)
            || [ReadMode::Decrypt, ReadMode::Ciphertext].into_iter().any(|mode| self.queue(mode).deadline().is_some())
    }

    const fn queue(&self, mode: ReadMode) -> &RequestQueue {
        match mode {
            ReadMode::Version => &self.queues.version,
            ReadMode::Decrypt => &self.queues.decrypt,
            ReadMode::Ciphertext => &self.queues.ciphertext,
        }
    }

    const fn queue_mut(&mut self, mode: ReadMode) -> &mut RequestQueue {
        match mode {
            ReadMode::Version => &mut self.queues.version,
            ReadMode::Decrypt => &mut self.queues.decrypt,
            ReadMode::Ciphertext => &mut self.queues.ciphertext,
        }
    }
}
