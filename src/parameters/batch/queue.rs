//! Names that wait to be asked for: de-duplicated, ordered by urgency, fair between tenants. Pure; time is an argument.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::domain::{audit::ObjectRef, parameter::name::ParameterRef};
use crate::parameters::{
    Priority,
    batch::{ReadReply, SsmFallback},
};

/// Most names that one `GetParameters` takes (Systems Manager API reference).
pub const NAMES_PER_CALL: usize = 10;

/// How much waiting makes up for one step of priority.
pub const AGING: Duration = Duration::from_secs(10);

/// How far apart, for each step of priority, the calls are that items get which aged while more urgent ones wait: a
/// long line of old items has its share, but does not hold up what is new.
const TURN: Duration = Duration::from_secs(1);

/// So many waiting names are company enough, whoever else may come.
const FULL_BATCH: usize = 10 * NAMES_PER_CALL;

/// How many names that do not fit into a call are passed over in search of some that do.
const PASSED_OVER: usize = 100;

/// One who waits for a name.
#[derive(Debug)]
pub struct Waiter {
    /// Gets the answer. Closed if nobody waits any more.
    pub reply: oneshot::Sender<ReadReply>,
    /// For whom, for the audit.
    pub objects: Vec<ObjectRef>,
    /// Whether the name may be absent.
    pub optional: bool,
    /// Since when.
    pub since: Instant,
    /// Why it waits for Parameter Store instead of KMS.
    pub detour: Option<SsmFallback>,
}

/// A name that is to be asked for.
#[derive(Debug)]
pub struct QueuedName {
    /// The name.
    pub parameter_ref: ParameterRef,
    /// Those who wait for it.
    pub waiters: Vec<Waiter>,
    /// How often it was asked for in vain.
    pub attempts: u32,
    /// Since when somebody waits.
    pub since: Instant,
    /// Urgency.
    pub priority: Priority,
    tenant: String,
}

impl QueuedName {
    /// Somebody waits for a name, on behalf of a tenant.
    pub fn new(parameter_ref: ParameterRef, waiter: Waiter, priority: Priority, tenant: &str) -> Self {
        let since = waiter.since;
        Self { parameter_ref, waiters: vec![waiter], attempts: 0, since, priority, tenant: tenant.to_owned() }
    }

    /// Two items: of the waiters that are meant, and of the others. Either may have none.
    pub fn divide(mut self, is_meant: impl Fn(&Waiter) -> bool) -> (Self, Self) {
        let (meant, others): (Vec<_>, Vec<_>) = self.waiters.drain(..).partition(is_meant);
        let since = others.iter().map(|waiter| waiter.since).min().unwrap_or(self.since);
        let (parameter_ref, tenant) = (self.parameter_ref.clone(), self.tenant.clone());
        (Self { waiters: meant, parameter_ref, tenant, ..self }, Self { waiters: others, since, ..self })
    }

    /// By when it should be served: later for what is less urgent, so that waiting makes up for priority.
    pub fn deadline(&self) -> Instant {
        self.since + AGING * self.priority as u32
    }

    /// Whether anybody still waits.
    pub fn is_wanted(&mut self) -> bool {
        self.waiters.retain(|waiter| !waiter.reply.is_closed());
        !self.waiters.is_empty()
    }
}

/// The waiting names of one kind of call.
#[derive(Debug, Default)]
pub struct RequestQueue {
    items: HashMap<ParameterRef, (Position, QueuedName)>,
    queues: BTreeMap<Priority, Queue>,
    joined: u64,
    /// Names that made a call fail: asked for alone until they succeed.
    apart: HashSet<ParameterRef>,
    /// Parts of a failed call, to be asked for as they are.
    parts: Vec<Vec<QueuedName>>,
}

/// Place of an item in its queue: round, then order of arrival.
type Position = (u64, u64);

/// Items of one priority, by round: each tenant has one item in a round, so that a tenant with many waits for itself.
#[derive(Debug, Default)]
struct Queue {
    order: BTreeMap<Position, ParameterRef>,
    round: u64,
    tenants: HashMap<String, u64>,
    /// When an item of it last led a call.
    served: Option<Instant>,
}

impl RequestQueue {
    /// Adds an item; one who waits for a name that waits already joins it, and can only bring it forward.
    pub fn add(&mut self, mut item: QueuedName) {
        self.joined += 1;
        let queue = self.queues.entry(item.priority).or_default();
        let last = queue.tenants.get(&item.tenant).copied().unwrap_or_default();
        let position = ((last + 1).max(queue.round), self.joined);
        if let Some((former, waiting)) = self.items.get_mut(&item.parameter_ref) {
            waiting.waiters.append(&mut item.waiters);
            waiting.attempts = waiting.attempts.max(item.attempts);
            waiting.since = waiting.since.min(item.since);
            let (former, former_priority) = (*former, waiting.priority);
            if (former_priority, former) <= (item.priority, position) {
                return;
            }
            self.unqueue(former_priority, former);
            let Some((_, waiting)) = self.items.remove(&item.parameter_ref) else { return };
            item = QueuedName { priority: item.priority, tenant: item.tenant, ..waiting };
        }
        let queue = self.queues.entry(item.priority).or_default();
        queue.tenants.insert(item.tenant.clone(), position.0);
        self.enqueue(position, item);
    }

    /// Adds a part of a failed call.
    pub fn add_part(&mut self, part: Vec<QueuedName>) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// Has a name asked for alone from now on, or no more.
    pub fn set_apart(&mut self, parameter_ref: &ParameterRef, apart: bool) {
        if apart {
            self.apart.insert(parameter_ref.clone());
        } else {
            self.apart.remove(parameter_ref);
        }
    }

    /// When the most urgent item, or part of a failed call, is to be served; `None` if nothing waits.
    pub fn deadline(&self) -> Option<Instant> {
        let queued = self.queues.iter().filter_map(|(priority, queue)| self.turn(*priority, queue));
        let parts = self.parts.iter().flatten().map(QueuedName::deadline);
        queued.chain(parts).min()
    }

    /// Since when the longest waits for company; `None` if nothing waits, there is company enough, or the next call is a
    /// part of a failed one.
    pub fn lingering_since(&self) -> Option<Instant> {
        let may_linger = self.parts.is_empty() && self.items.len() < FULL_BATCH;
        may_linger.then(|| self.items.values().map(|(_, item)| item.since).min()).flatten()
    }

    /// Takes what goes into the next call: at most ten names, never two selections of one parameter, and a name that
    /// was set apart alone. What nobody waits for any more is dropped. Empty if nothing is left.
    pub fn take(&mut self, now: Instant) -> Vec<QueuedName> {
        while let Some(mut part) = self.parts.pop() {
            part.retain_mut(QueuedName::is_wanted);
            if !part.is_empty() {
                return part;
            }
        }
        let mut batch: Vec<QueuedName> = Vec::new();
        let mut passed_over = Vec::new();
        while batch.len() < NAMES_PER_CALL && passed_over.len() < PASSED_OVER {
            let Some((position, mut item)) = self.pop() else { break };
            if !item.is_wanted() {
                continue;
            }
            let is_apart = self.apart.contains(&item.parameter_ref);
            if !batch.is_empty()
                && (is_apart || batch.iter().any(|other| other.parameter_ref.arn == item.parameter_ref.arn))
            {
                passed_over.push((position, item));
                continue;
            }
            let queue = self.queues.entry(item.priority).or_default();
            queue.round = queue.round.max(position.0);
            batch.push(item);
            if is_apart {
                break;
            }
        }
        // Where they were: their turn comes, and nobody is passed by them.
        for (position, item) in passed_over {
            self.enqueue(position, item);
        }
        if let Some(first) = batch.first() {
            self.queues.entry(first.priority).or_default().served = Some(now);
        }
        for queue in self.queues.values_mut().filter(|queue| queue.order.is_empty()) {
            *queue = Queue { served: queue.served, ..Queue::default() };
        }
        batch
    }

    /// The most urgent item.
    fn pop(&mut self) -> Option<(Position, QueuedName)> {
        let most_urgent = self.queues.iter().filter_map(|(p, queue)| Some((self.turn(*p, queue)?, *p))).min();
        let queue = self.queues.get_mut(&most_urgent?.1)?;
        let (_, parameter_ref) = queue.order.pop_first()?;
        self.items.remove(&parameter_ref)
    }

    /// When a queue is to be served next: by the deadline of its head, but old items of low priority take turns with
    /// others instead of going before all of them.
    fn turn(&self, priority: Priority, queue: &Queue) -> Option<Instant> {
        let (_, parameter_ref) = queue.order.first_key_value()?;
        let deadline = self.items.get(parameter_ref)?.1.deadline();
        Some(queue.served.map_or(deadline, |served| deadline.max(served + TURN * priority as u32)))
    }

    fn enqueue(&mut self, position: Position, item: QueuedName) {
        let queue = self.queues.entry(item.priority).or_default();
        queue.order.insert(position, item.parameter_ref.clone());
        self.items.insert(item.parameter_ref.clone(), (position, item));
    }

    fn unqueue(&mut self, priority: Priority, position: Position) {
        if let Some(queue) = self.queues.get_mut(&priority) {
            queue.order.remove(&position);
        }
    }
}
