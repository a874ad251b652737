//! Which names are wanted, by whom, how often, and what is known of them. Pure and synchronous; time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

use crate::domain::{
    audit::ObjectRef,
    parameter::{name::ParameterRef, path_query::PathQuery, revision::Metadata},
    report::event::Access,
};
use crate::parameters::{
    cache::{key_table::Keys, listings::Listings, revalidation::Revalidations},
    port::Mode,
    read_error::ReadError,
};

mod sweep;

use sweep::Class;
pub use sweep::calls;

/// An object that wants names: its namespace and name.
pub type Subscriber = (String, String);

/// How an object wants its names watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How often their versions are looked at; never, if `None`.
    pub interval: Option<Duration>,
    /// How often their values are decrypted again although they did not change; never, if `None`.
    pub revalidate: Option<Duration>,
    /// Who decrypts them.
    pub mode: Mode,
}

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
    subscribers: HashMap<Subscriber, Terms>,
    /// The class it is swept with; `None` if nobody polls it.
    interval: Option<Duration>,
    seen: Option<Seen>,
    /// When it was last asked for, or known without asking.
    asked_at: Option<Instant>,
    /// When it was last seen to be another than before.
    changed_at: Option<Instant>,
}

/// All wanted names of one identity.
#[derive(Debug)]
pub struct Index {
    /// Where within its period a first sweep begins, from 0 to 1: so that operators started together do not sweep
    /// together.
    offset: f64,
    /// Which keys encrypt them.
    pub keys: Keys,
    /// The paths that bring names along.
    pub listings: Listings,
    revalidations: Revalidations,
    names: HashMap<ParameterRef, Tracked>,
    classes: BTreeMap<Duration, Class>,
    /// Names to look at as soon as the budget allows: never seen, or to be seen again.
    urgent: BTreeSet<ParameterRef>,
    /// Names that are being looked at, each with how to stop that.
    looking: HashMap<ParameterRef, Option<AbortHandle>>,
    subscriptions: HashMap<Subscriber, Subscription>,
}

#[derive(Debug)]
struct Subscription {
    wants: Wants,
    object: ObjectRef,
}

/// What an object wants watched.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Names, each on its terms.
    pub names: BTreeMap<ParameterRef, Terms>,
    /// Paths, each with the interval at which it is listed.
    pub listings: BTreeMap<PathQuery, Option<Duration>>,
}

impl Index {
    /// Of nothing.
    pub fn new(offset: f64) -> Self {
        Self {
            offset,
            keys: Keys::default(),
            listings: Listings::default(),
            revalidations: Revalidations::default(),
            names: HashMap::new(),
            classes: BTreeMap::new(),
            urgent: BTreeSet::new(),
            looking: HashMap::new(),
            subscriptions: HashMap::new(),
        }
    }

    /// Makes `subscriber` want exactly this. Names and paths that were never seen are to be looked at as soon as possible
    /// if `look` says so; else they are about to be read, and count as asked for `now`.
    pub fn subscribe(&mut self, subscriber: &Subscriber, object: ObjectRef, wants: Wants, look: bool, now: Instant) {
        let before = self.subscriptions.remove(subscriber).map(|subscription| subscription.wants);
        if before.as_ref() != Some(&wants) {
            let before = before.unwrap_or_default();
            for name in before.names.keys().filter(|name| !wants.names.contains_key(*name)) {
                self.leave(subscriber, name);
            }
            for listing in before.listings.keys().filter(|listing| !wants.listings.contains_key(*listing)) {
                self.listings.unsubscribe(listing, subscriber);
            }
            for (name, terms) in &wants.names {
                let asked_at = Some(now).filter(|_| !look);
                let new = || Tracked { asked_at, ..Tracked::default() };
                self.names.entry(name.clone()).or_insert_with(new).subscribers.insert(subscriber.clone(), *terms);
                self.reclassify(name);
                self.replan(name, now);
            }
        }
        for (listing, interval) in &wants.listings {
            let share = fraction(listing, self.offset);
            self.listings.subscribe(listing, subscriber, *interval, (look, share), now);
        }
        self.take_from_listings(&wants, now);
        if look {
            let is_unseen = |name: &&ParameterRef| self.names.get(*name).is_some_and(|tracked| tracked.seen.is_none());
            let unseen: Vec<_> = wants.names.keys().filter(is_unseen).cloned().collect();
            self.urgent.extend(unseen);
        }
        self.subscriptions.insert(subscriber.clone(), Subscription { wants, object });
    }

    /// What a listing has shown already need not be looked at.
    fn take_from_listings(&mut self, wants: &Wants, now: Instant) {
        if wants.listings.is_empty() {
            return;
        }
        let unseen = |name: &&ParameterRef| self.names.get(*name).is_some_and(|tracked| tracked.seen.is_none());
        let shown =
            |name: &ParameterRef| Some((name.clone(), self.listings.child(wants.listings.keys(), name)?.clone()));
        let shown: Vec<_> = wants.names.keys().filter(unseen).filter_map(shown).collect();
        for (name, metadata) in shown {
            self.observe(&name, Seen { result: Ok(metadata), access: None }, now);
        }
    }

    /// Forgets a subscriber, and the names that only it wanted.
    pub fn unsubscribe(&mut self, subscriber: &Subscriber) {
        let wants = self.subscriptions.remove(subscriber).map(|subscription| subscription.wants).unwrap_or_default();
        for name in wants.names.keys() {
            self.leave(subscriber, name);
        }
        for listing in wants.listings.keys() {
            self.listings.unsubscribe(listing, subscriber);
        }
    }

    /// What is known of a name.
    pub fn seen(&self, parameter_ref: &ParameterRef) -> Option<&Seen> {
        self.names.get(parameter_ref)?.seen.as_ref()
    }

    /// Takes in what was found. Answers with the subscribers that this is news for.
    pub fn observe(&mut self, parameter_ref: &ParameterRef, seen: Seen, now: Instant) -> Vec<Subscriber> {
        self.urgent.remove(parameter_ref);
        let Some(tracked) = self.names.get_mut(parameter_ref) else { return Vec::new() };
        let news = tracked.seen.as_ref().is_none_or(|before| before.differs(&seen));
        if let Ok(metadata) = &seen.result
            && news
            && metadata.type_ == "SecureString"
            && !parameter_ref.is_reference()
        {
            self.keys.seen(parameter_ref, metadata.version);
        }
        if news {
            tracked.changed_at = Some(now);
        }
        tracked.seen = Some(seen);
        let asked_before = tracked.asked_at.replace(now);
        let subscribers = if news { tracked.subscribers.keys().cloned().collect() } else { Vec::new() };
        if let Some(class) = tracked.interval.and_then(|interval| self.classes.get_mut(&interval))
            && class.order.remove(&(asked_before, parameter_ref.clone()))
        {
            class.order.insert((Some(now), parameter_ref.clone()));
        }
        subscribers
    }

    /// When a name was last asked for.
    pub fn asked_at(&self, parameter_ref: &ParameterRef) -> Option<Instant> {
        self.names.get(parameter_ref)?.asked_at
    }

    /// When a name was last seen to be another than before.
    pub fn changed_at(&self, parameter_ref: &ParameterRef) -> Option<Instant> {
        self.names.get(parameter_ref)?.changed_at
    }

    /// Notes that a value was decrypted.
    pub fn decrypted(&mut self, parameter_ref: &ParameterRef, now: Instant) {
        if let Some(interval) = self.revalidations.interval(parameter_ref) {
            // Up to a tenth early, so that what was read together is not due together for ever.
            let at = now + interval.mul_f64(1.0 - 0.1 * fraction(parameter_ref, self.offset));
            self.revalidations.plan(parameter_ref, at, interval);
        }
    }

    /// The names that are to be decrypted again, at most one call's, with who decrypts them; and when to ask next.
    pub fn due_revalidations(&mut self, now: Instant) -> (Vec<(ParameterRef, Mode)>, Option<Instant>) {
        let due = self.revalidations.take_due(now);
        let mode = |parameter_ref: &ParameterRef| {
            let terms = self.names.get(parameter_ref)?.subscribers.values().filter(|terms| terms.revalidate.is_some());
            terms.min_by_key(|terms| (terms.revalidate, terms.mode)).map(|terms| terms.mode)
        };
        // What is not encrypted proves nothing.
        let is_encrypted = |parameter_ref: &ParameterRef| {
            let seen = self.names.get(parameter_ref).and_then(|tracked| tracked.seen.as_ref());
            !seen.is_some_and(|seen| seen.result.as_ref().is_ok_and(|metadata| metadata.type_ != "SecureString"))
        };
        let due = due.into_iter().filter(is_encrypted);
        let due = due.filter_map(|parameter_ref| mode(&parameter_ref).map(|mode| (parameter_ref, mode))).collect();
        (due, self.revalidations.next())
    }

    /// The objects that want a name.
    pub fn subscribers(&self, parameter_ref: &ParameterRef) -> Vec<Subscriber> {
        self.names.get(parameter_ref).map(|tracked| tracked.subscribers.keys().cloned().collect()).unwrap_or_default()
    }

    /// The objects that want a name, for the audit.
    pub fn objects(&self, parameter_ref: &ParameterRef) -> Vec<ObjectRef> {
        let subscribers = self.names.get(parameter_ref).into_iter().flat_map(|tracked| tracked.subscribers.keys());
        subscribers.filter_map(|subscriber| self.subscriptions.get(subscriber)).map(|s| s.object.clone()).collect()
    }

    /// An object that wants names, for the audit.
    pub fn object(&self, subscriber: &Subscriber) -> Option<&ObjectRef> {
        self.subscriptions.get(subscriber).map(|subscription| &subscription.object)
    }

    /// How many names are wanted.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    fn leave(&mut self, subscriber: &Subscriber, name: &ParameterRef) {
        let Some(tracked) = self.names.get_mut(name) else { return };
        tracked.subscribers.remove(subscriber);
        self.reclassify(name);
        self.relax(name);
        if self.names.get(name).is_some_and(|tracked| tracked.subscribers.is_empty()) {
            self.names.remove(name);
            self.revalidations.forget(name);
            self.keys.forget(name);
            self.urgent.remove(name);
            if let Some(Some(look)) = self.looking.remove(name) {
                look.abort();
            }
        }
    }

    /// Has the value of a name decrypted again less often where nobody wants it as often any more.
    fn relax(&mut self, name: &ParameterRef) {
        let Some(tracked) = self.names.get(name) else { return };
        match tracked.subscribers.values().filter_map(|terms| terms.revalidate).min() {
            None => self.revalidations.forget(name),
            Some(interval) => self.revalidations.change_interval(name, interval),
        }
    }

    /// Plans when the value of a name is decrypted again, by the shortest interval that is wanted: some time within it
    /// where nobody knows when that was done last.
    fn replan(&mut self, name: &ParameterRef, now: Instant) {
        let Some(tracked) = self.names.get(name) else { return };
        let shortest = tracked.subscribers.values().filter_map(|terms| terms.revalidate).min();
        match shortest {
            None => self.revalidations.forget(name),
            Some(interval) if self.revalidations.interval(name) == Some(interval) => {}
            Some(interval) => {
                let at = now + interval.mul_f64(fraction(name, self.offset));
                self.revalidations.plan(name, at, interval);
            }
        }
    }
}

/// A number from 0 to 1 that is fixed by a name and `offset`.
fn fraction(parameter_ref: &impl Hash, offset: f64) -> f64 {
    let mut hasher = DefaultHasher::new();
    parameter_ref.hash(&mut hasher);
    let bits = u32::try_from(hasher.finish() >> 32).unwrap_or_default();
    (f64::from(bits) / f64::from(u32::MAX) + offset).fract()
}
