//! Names that wait to be asked for: de-duplicated, ordered by urgency, fair between tenants. Pure; time is an argument.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::{Priority, batcher::Reply};
use crate::domain::{audit::ObjectRef, parameter::Wanted};

/// Most names that one `GetParameters` takes (Systems Manager API reference).
pub const NAMES_PER_CALL: usize = 10;

/// How much waiting makes up for one step of priority.
const AGING: Duration = Duration::from_secs(10);

/// One who waits for a name.
#[derive(Debug)]
pub struct Waiter {
    /// Gets the answer. Closed if nobody waits any more.
    pub reply: oneshot::Sender<Reply>,
    /// For whom, for the audit.
    pub objects: Vec<ObjectRef>,
    /// Whether the name may be absent.
    pub optional: bool,
}

/// A name that is to be asked for.
#[derive(Debug)]
pub struct Item {
    /// The name.
    pub wanted: Wanted,
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

impl Item {
    /// Somebody waits for a name, on behalf of a tenant.
    pub fn new(wanted: Wanted, waiter: Waiter, priority: Priority, tenant: &str, now: Instant) -> Self {
        Self { wanted, waiters: vec![waiter], attempts: 0, since: now, priority, tenant: tenant.to_owned() }
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
pub struct Pending {
    items: HashMap<Wanted, (Position, Item)>,
    queues: BTreeMap<Priority, Queue>,
    joined: u64,
    /// Names that made a call fail: asked for alone until they succeed.
    apart: HashSet<Wanted>,
    /// Parts of a failed call, to be asked for as they are.
    parts: Vec<Vec<Item>>,
}

/// Place of an item in its queue: round, then order of arrival.
type Position = (u64, u64);

/// Items of one priority, by round: each tenant has one item in a round, so that a tenant with many waits for itself.
#[derive(Debug, Default)]
struct Queue {
    order: BTreeMap<Position, Wanted>,
    round: u64,
    tenants: HashMap<String, u64>,
}

impl Pending {
    /// Adds an item; one who waits for a name that waits already joins it.
    pub fn add(&mut self, mut item: Item) {
        if let Some((position, mut waiting)) = self.items.remove(&item.wanted) {
            self.unqueue(waiting.priority, position);
            waiting.waiters.append(&mut item.waiters);
            waiting.attempts = waiting.attempts.max(item.attempts);
            waiting.since = waiting.since.min(item.since);
            if item.priority < waiting.priority {
                (waiting.priority, waiting.tenant) = (item.priority, item.tenant);
            }
            item = waiting;
        }
        self.joined += 1;
        let queue = self.queues.entry(item.priority).or_default();
        let last = queue.tenants.get(&item.tenant).copied().unwrap_or_default();
        let round = (last + 1).max(queue.round);
        queue.tenants.insert(item.tenant.clone(), round);
        let position = (round, self.joined);
        queue.order.insert(position, item.wanted.clone());
        self.items.insert(item.wanted.clone(), (position, item));
    }

    /// Adds a part of a failed call.
    pub fn add_part(&mut self, part: Vec<Item>) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// Has a name asked for alone from now on, or no more.
    pub fn set_apart(&mut self, wanted: &Wanted, apart: bool) {
        if apart {
            self.apart.insert(wanted.clone());
        } else {
            self.apart.remove(wanted);
        }
    }

    /// How many names wait.
    pub fn len(&self) -> usize {
        self.items.len() + self.parts.iter().map(Vec::len).sum::<usize>()
    }

    /// The deadline of the most urgent item; `None` if nothing waits.
    pub fn deadline(&self) -> Option<Instant> {
        let queued = self.queues.values().filter_map(|queue| self.head(queue)).map(Item::deadline);
        let parts = self.parts.iter().flatten().map(Item::deadline);
        queued.chain(parts).min()
    }

    /// Since when the longest waits.
    pub fn oldest(&self) -> Option<Instant> {
        self.items.values().map(|(_, item)| item.since).min()
    }

    /// Takes what goes into the next call: at most ten names, never two selections of one parameter, and a name that
    /// was set apart alone. What nobody waits for any more is dropped. Empty if nothing is left.
    pub fn take(&mut self) -> Vec<Item> {
        while let Some(mut part) = self.parts.pop() {
            part.retain_mut(Item::is_wanted);
            if !part.is_empty() {
                return part;
            }
        }
        let mut batch: Vec<Item> = Vec::new();
        let mut set_back = Vec::new();
        while batch.len() < NAMES_PER_CALL {
            let Some(mut item) = self.pop() else { break };
            if !item.is_wanted() {
                continue;
            }
            let is_apart = self.apart.contains(&item.wanted);
            if is_apart && batch.is_empty() && set_back.is_empty() {
                batch.push(item);
                break;
            }
            if is_apart || batch.iter().any(|other| other.wanted.arn == item.wanted.arn) {
                set_back.push(item);
            } else {
                batch.push(item);
            }
        }
        for item in set_back {
            self.put_back(item);
        }
        batch
    }

    /// The most urgent item.
    fn pop(&mut self) -> Option<Item> {
        let most_urgent = self.queues.iter().filter_map(|(p, queue)| Some((self.head(queue)?.deadline(), *p))).min();
        let queue = self.queues.get_mut(&most_urgent?.1)?;
        let (position, wanted) = queue.order.pop_first()?;
        queue.round = queue.round.max(position.0);
        if queue.order.is_empty() {
            queue.tenants.clear();
            queue.round = 0;
        }
        self.items.remove(&wanted).map(|(_, item)| item)
    }

    /// At the head of its queue: its turn had come.
    fn put_back(&mut self, item: Item) {
        self.joined += 1;
        let position = (0, self.joined);
        self.queues.entry(item.priority).or_default().order.insert(position, item.wanted.clone());
        self.items.insert(item.wanted.clone(), (position, item));
    }

    fn head(&self, queue: &Queue) -> Option<&Item> {
        let (_, wanted) = queue.order.first_key_value()?;
        self.items.get(wanted).map(|(_, item)| item)
    }

    fn unqueue(&mut self, priority: Priority, position: Position) {
        if let Some(queue) = self.queues.get_mut(&priority) {
            queue.order.remove(&position);
        }
    }
}
