//! What the batcher knows: queues, calls in flight, fallbacks. Pure; time is an argument.

use std::{collections::HashMap, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use crate::domain::{aws_error::AwsErrorKind, parameter::name::ParameterRef};
use crate::parameters::{
    batch::{
        failing::Failing,
        in_flight::InFlight,
        next_call::Batch,
        queue::RequestQueue,
        requests::{QueuedName, ReadReply, ReadRequest, Waiter},
        ssm_fallback::SsmFallbacks,
    },
    port::ReadMode,
    quota::claim::{Claim, Claims, Tenant},
    retry,
};

/// How long after the last request for values the batcher still counts as busy.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// Most calls in flight at a time.
pub(crate) const MAX_IN_FLIGHT: usize = 20;

/// Most calls in flight at a time whose turn was that of one tenant: half of all.
const MAX_IN_FLIGHT_PER_TENANT: usize = MAX_IN_FLIGHT / 2;

/// The kinds of calls. Of two names that wait equally long the first kind is called for: values before versions.
const MODES: [ReadMode; 3] = [ReadMode::Decrypt, ReadMode::Ciphertext, ReadMode::Version];

/// The state of the batcher.
#[derive(Debug, Default)]
pub(crate) struct State {
    queues: Queues,
    in_flight: InFlight,
    pub(crate) fallbacks: SsmFallbacks,
    pub(crate) failing: Failing,
    /// The calls in flight by the tenant whose turn they took.
    leading: HashMap<Tenant, usize>,
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
        let ReadRequest { parameter_ref, mode, optional, claims, objects, not_before, changed_at } = request;
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
        self.queue_mut(mode).add(QueuedName::new(parameter_ref, waiter, claims));
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

    /// Requests a name alone from now on, whose call failed with an error of this kind.
    pub(crate) fn isolate(&mut self, mode: ReadMode, parameter_ref: &ParameterRef, kind: AwsErrorKind, now: Instant) {
        self.queue_mut(mode).isolate(parameter_ref, now);
        if retry::concerns_service(kind) {
            self.failing.suspect(mode, parameter_ref);
        }
    }

    /// Requests names together again that only seemed to be at fault, if AWS is out as a whole.
    pub(crate) fn end_isolation_if_out(&mut self) {
        for (mode, parameter_ref) in self.failing.take_cleared() {
            self.end_isolation(mode, &parameter_ref);
        }
    }

    /// Reports whether a name is requested alone.
    pub(crate) fn is_isolated(&self, mode: ReadMode, parameter_ref: &ParameterRef) -> bool {
        self.queue(mode).isolation.contains(parameter_ref)
    }

    /// Requests a name together with others again.
    pub(crate) fn end_isolation(&mut self, mode: ReadMode, parameter_ref: &ParameterRef) {
        self.queue_mut(mode).end_isolation(parameter_ref);
    }

    /// Reports whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        MODES.iter().all(|mode| self.queue(*mode).is_empty())
    }

    /// Returns what may be called for now, and when there may be more because a batch window has passed.
    pub(crate) fn claims(&self, now: Instant) -> (Claims, Option<Instant>) {
        let (mut claims, mut next) = (Claims::new(), None);
        for (ripe, ripe_at) in MODES.map(|mode| self.ripe(mode, now)) {
            next = [next, ripe_at].into_iter().flatten().min();
            for (claim, since) in ripe {
                let is_at_limit =
                    self.leading.get(&claim.tenant).is_some_and(|calls| *calls >= MAX_IN_FLIGHT_PER_TENANT);
                if !is_at_limit {
                    let earliest = claims.entry(claim).or_insert(since);
                    *earliest = since.min(*earliest);
                }
            }
        }
        (claims, next)
    }

    /// Returns what may be called for now with one kind of call, and when there may be more.
    fn ripe(&self, mode: ReadMode, now: Instant) -> (Claims, Option<Instant>) {
        let queue = self.queue(mode);
        match queue.window_ends_at().filter(|at| *at > now) {
            // The parts of failed calls get no more names.
            Some(ripe_at) => (queue.claims_of_parts(), Some(ripe_at)),
            None => (queue.claims(), None),
        }
    }

    /// Takes the names of the call whose turn this claim is. It is in flight from now on. `None` if nobody waits any
    /// more.
    pub(crate) fn begin_call(&mut self, claim: &Claim, now: Instant) -> Option<(ReadMode, Batch)> {
        let mut modes: Vec<_> =
            MODES.iter().filter_map(|mode| Some((*self.ripe(*mode, now).0.get(claim)?, *mode))).collect();
        modes.sort_by_key(|(since, _)| *since);
        for (_, mode) in modes {
            let batch = self.queue_mut(mode).take(claim, now);
            if !batch.names.is_empty() {
                self.in_flight.begin(mode, &batch.names, now);
                *self.leading.entry(claim.tenant.clone()).or_default() += 1;
                return Some((mode, batch));
            }
        }
        None
    }

    /// Notes that a call whose turn was that of this tenant has ended, and takes those who joined it.
    pub(crate) fn end_call<'n>(
        &mut self,
        mode: ReadMode,
        tenant: &Tenant,
        names: impl Iterator<Item = &'n ParameterRef>,
        began: Instant,
    ) -> HashMap<ParameterRef, Vec<Waiter>> {
        if let Some(calls) = self.leading.get_mut(tenant) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.leading.remove(tenant);
            }
        }
        self.in_flight.end(mode, names, began)
    }

    /// Reports whether values are requested, or were a moment ago.
    pub(crate) fn is_busy(&self, now: Instant) -> bool {
        let was_requested = |at: Instant| now.saturating_duration_since(at) < QUIET_AFTER;
        self.values_requested_at.is_some_and(was_requested)
            || [ReadMode::Decrypt, ReadMode::Ciphertext].into_iter().any(|mode| !self.queue(mode).is_empty())
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
