//! Which names are wanted, by whom, how often, and what is known of them. Pure and synchronous; time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

use super::{error::ReadError, pending::NAMES_PER_CALL};
use crate::domain::{
    audit::ObjectRef,
    event::Access,
    parameter::{Selector, Wanted},
    revision::Metadata,
};

/// How often a fixed version is looked at, which can vanish but not change.
const FIXED_VERSION_INTERVAL: Duration = Duration::from_secs(3_600);

/// An object that wants names: its namespace and name.
pub type Subscriber = (String, String);

/// What a look at a name found.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The version, or why there is none.
    pub result: Result<Metadata, ReadError>,
    /// The call that showed it, kept where it failed.
    pub access: Option<Arc<Access>>,
}

impl Seen {
    /// Whether a subscriber would act on the difference.
    fn differs(&self, other: &Self) -> bool {
        match (&self.result, &other.result) {
            (Ok(one), Ok(two)) => one != two,
            (Err(one), Err(two)) => one.to_string() != two.to_string(),
            _ => true,
        }
    }
}

#[derive(Debug, Default)]
struct Tracked {
    subscribers: HashMap<Subscriber, Option<Duration>>,
    /// The class it is swept with; `None` if nobody polls it.
    interval: Option<Duration>,
    seen: Option<Seen>,
    /// When it was last asked for, or known without asking.
    asked_at: Option<Instant>,
}

/// Names of one interval, in the order in which they were last asked for.
#[derive(Debug, Default)]
struct Class {
    order: BTreeSet<(Option<Instant>, Wanted)>,
    /// When the next sweep is due.
    next: Option<Instant>,
}

/// All wanted names of one identity.
#[derive(Debug, Default)]
pub struct Index {
    names: HashMap<Wanted, Tracked>,
    classes: BTreeMap<Duration, Class>,
    /// Names to look at as soon as the budget allows: never seen, or to be seen again.
    urgent: BTreeSet<Wanted>,
    /// Names that are being looked at, each with how to stop that.
    looking: HashMap<Wanted, Option<AbortHandle>>,
    subscriptions: HashMap<Subscriber, Subscription>,
}

#[derive(Debug)]
struct Subscription {
    wanted: BTreeSet<Wanted>,
    interval: Option<Duration>,
    object: ObjectRef,
}

impl Index {
    /// Makes `subscriber` want exactly these names, looked at once an `interval` (never, if `None`). Names that were
    /// never seen are to be looked at as soon as possible if `look` says so; else they are about to be read, and count as
    /// asked for `now`.
    pub fn subscribe(
        &mut self,
        subscriber: &Subscriber,
        object: ObjectRef,
        wanted: BTreeSet<Wanted>,
        interval: Option<Duration>,
        look: bool,
        now: Instant,
    ) {
        let unchanged =
            self.subscriptions.get(subscriber).is_some_and(|s| s.wanted == wanted && s.interval == interval);
        if !unchanged {
            let dropped =
                self.subscriptions.get(subscriber).map(|s| s.wanted.difference(&wanted).cloned().collect::<Vec<_>>());
            for name in dropped.unwrap_or_default() {
                self.leave(subscriber, &name);
            }
            for name in &wanted {
                let asked_at = Some(now).filter(|_| !look);
                let new = || Tracked { asked_at, ..Tracked::default() };
                self.names.entry(name.clone()).or_insert_with(new).subscribers.insert(subscriber.clone(), interval);
                self.reclassify(name);
            }
        }
        if look {
            let unseen =
                wanted.iter().filter(|name| self.names.get(*name).is_some_and(|tracked| tracked.seen.is_none()));
            self.urgent.extend(unseen.cloned());
        }
        self.subscriptions.insert(subscriber.clone(), Subscription { wanted, interval, object });
    }

    /// Forgets a subscriber, and the names that only it wanted.
    pub fn unsubscribe(&mut self, subscriber: &Subscriber) {
        let names = self.subscriptions.remove(subscriber).map(|subscription| subscription.wanted);
        for name in names.unwrap_or_default() {
            self.leave(subscriber, &name);
        }
    }

    /// What is known of a name.
    pub fn seen(&self, wanted: &Wanted) -> Option<&Seen> {
        self.names.get(wanted)?.seen.as_ref()
    }

    /// Takes in what was found. Answers with the subscribers that this is news for.
    pub fn observe(&mut self, wanted: &Wanted, seen: Seen, now: Instant) -> Vec<Subscriber> {
        self.urgent.remove(wanted);
        let Some(tracked) = self.names.get_mut(wanted) else { return Vec::new() };
        let news = tracked.seen.as_ref().is_none_or(|before| before.differs(&seen));
        tracked.seen = Some(seen);
        let asked_before = tracked.asked_at.replace(now);
        let subscribers = if news { tracked.subscribers.keys().cloned().collect() } else { Vec::new() };
        if let Some(class) = tracked.interval.and_then(|interval| self.classes.get_mut(&interval))
            && class.order.remove(&(asked_before, wanted.clone()))
        {
            class.order.insert((Some(now), wanted.clone()));
        }
        subscribers
    }

    /// The names to look at now, and when to ask next. `offset` places the first sweep within its period, from 0 to 1.
    /// Whoever looks at a name says so when that is over.
    pub fn due(&mut self, now: Instant, offset: f64) -> (Vec<Wanted>, Option<Instant>) {
        let mut due: Vec<_> = std::mem::take(&mut self.urgent).into_iter().collect();
        let mut next = None;
        for (interval, class) in &mut self.classes {
            let period = interval.div_f64(calls(class.order.len()));
            let at = *class.next.get_or_insert_with(|| now + period.mul_f64(offset));
            if at <= now {
                let longest_ago: Vec<_> = class.order.iter().take(NAMES_PER_CALL).cloned().collect();
                for entry in longest_ago {
                    class.order.remove(&entry);
                    let wanted = entry.1;
                    // From now on, so that the next sweep goes on with others even if the answer takes its time.
                    if let Some(tracked) = self.names.get_mut(&wanted) {
                        tracked.asked_at = Some(now);
                        class.order.insert((Some(now), wanted.clone()));
                        due.push(wanted);
                    }
                }
                // From the planned time, so that a late look does not shift all that follow; unless it is very late.
                class.next = Some((at + period).max(now));
            }
            // More names mean a shorter period at once.
            class.next = class.next.map(|planned| planned.min(now + period));
            next = [next, class.next].into_iter().flatten().min();
        }
        // A name that is being looked at is not asked for twice.
        due.retain(|wanted| match self.looking.entry(wanted.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(None);
                true
            }
        });
        (due, next)
    }

    /// Notes how to stop a look at a name, or stops it at once if nobody wants the name any more.
    pub fn looking(&mut self, wanted: &Wanted, look: AbortHandle) {
        match self.looking.get_mut(wanted) {
            Some(stop) => *stop = Some(look),
            None => look.abort(),
        }
    }

    /// Notes that a look at a name is over.
    pub fn looked(&mut self, wanted: &Wanted) {
        self.looking.remove(wanted);
    }

    /// The objects that want a name, for the audit.
    pub fn objects(&self, wanted: &Wanted) -> Vec<ObjectRef> {
        let subscribers = self.names.get(wanted).into_iter().flat_map(|tracked| tracked.subscribers.keys());
        subscribers.filter_map(|subscriber| self.subscriptions.get(subscriber)).map(|s| s.object.clone()).collect()
    }

    /// How many names are wanted.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Calls a second that sweeping takes at the wanted intervals.
    pub fn load(&self) -> f64 {
        self.classes.iter().map(|(interval, class)| calls(class.order.len()) / interval.as_secs_f64()).sum()
    }

    fn leave(&mut self, subscriber: &Subscriber, name: &Wanted) {
        let Some(tracked) = self.names.get_mut(name) else { return };
        tracked.subscribers.remove(subscriber);
        self.reclassify(name);
        if self.names.get(name).is_some_and(|tracked| tracked.subscribers.is_empty()) {
            self.names.remove(name);
            self.urgent.remove(name);
            if let Some(Some(look)) = self.looking.remove(name) {
                look.abort();
            }
        }
    }

    /// Puts a name into the class of its shortest wanted interval.
    fn reclassify(&mut self, name: &Wanted) {
        let Some(tracked) = self.names.get_mut(name) else { return };
        let shortest = tracked.subscribers.values().flatten().min().copied();
        let interval = match name.selector {
            Some(Selector::Version(_)) => shortest.map(|interval| interval.max(FIXED_VERSION_INTERVAL)),
            _ => shortest,
        };
        if interval == tracked.interval {
            return;
        }
        let entry = (tracked.asked_at, name.clone());
        if let Some(former) = std::mem::replace(&mut tracked.interval, interval)
            && let Some(class) = self.classes.get_mut(&former)
        {
            class.order.remove(&entry);
            if class.order.is_empty() {
                self.classes.remove(&former);
            }
        }
        if let Some(interval) = interval {
            self.classes.entry(interval).or_default().order.insert(entry);
        }
    }
}

/// How many calls it takes to look at so many names.
fn calls(names: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer names than a float counts")]
    let calls = names.div_ceil(NAMES_PER_CALL).max(1) as f64;
    calls
}
