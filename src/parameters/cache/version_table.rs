//! Which names are watched, by whom, and what was last observed of each. Pure; time is an argument.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::api::SharedText;
use crate::domain::{audit::ObjectRef, parameter::name::ParameterRef};
use crate::parameters::{
    cache::{
        check_schedule::{SweepSchedule, interval_of},
        first_looks::FirstLooks,
        key_table::KeyTable,
        listings::Listings,
        observation::Observation,
        revalidation_schedule::RevalidationSchedule,
        running_checks::RunningChecks,
        subscription::{Subscriber, SubscriberKey, Subscription},
        version_order::VersionAge,
        watched_name::WatchedName,
    },
    port::ReadMode,
    read_error::ReadError,
};

/// How long after it began to be watched a value is not decrypted again, at most: a start decrypts nothing that did not
/// change.
const NOT_DECRYPTED_FOR: Duration = Duration::from_secs(60);

/// What became of an observation.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// It is what is known now. These subscribers have to act on it.
    Fresh(Vec<Subscriber>),
    /// It is older than what is known, which stays.
    Stale,
}

/// Everything that one identity watches, and what is known of it.
#[derive(Debug)]
pub(crate) struct VersionTable {
    /// A number from 0 to 1 by which polls are shifted, so that operators that start together do not poll together.
    offset: f64,
    names: HashMap<ParameterRef, Box<WatchedName>>,
    subscriptions: HashMap<Subscriber, Box<Subscribed>>,
    /// The type of most of them.
    secure_string: Arc<str>,
    /// Names to check as soon as the rate limit allows.
    first_looks: FirstLooks,
    /// Names to check again because an answer was stale, and when.
    stale: BTreeMap<ParameterRef, Instant>,
    sweeps: SweepSchedule,
    revalidations: RevalidationSchedule,
    /// The version checks that are running.
    pub(crate) checks: RunningChecks,
    /// When AWS last said something about a name.
    last_look: Option<Instant>,
    /// The watched paths.
    pub(crate) listings: Listings,
    /// The keys of the names.
    pub(crate) keys: KeyTable,
}

/// How well the looks at names and paths keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// When AWS last said something, an error that is no outage included.
    pub(crate) last: Option<Instant>,
    /// How many names and paths AWS has said nothing about for two intervals.
    pub(crate) overdue: usize,
}

/// What is kept of a subscriber.
#[derive(Debug)]
struct Subscribed {
    /// The Secret that it writes.
    secret: Option<SharedText>,
    subscription: Subscription,
}

impl VersionTable {
    /// Returns an empty table.
    pub(crate) fn new(offset: f64) -> Self {
        Self {
            offset,
            names: HashMap::new(),
            subscriptions: HashMap::new(),
            secure_string: "SecureString".into(),
            first_looks: FirstLooks::default(),
            stale: BTreeMap::new(),
            sweeps: SweepSchedule::new(offset),
            revalidations: RevalidationSchedule::default(),
            checks: RunningChecks::default(),
            last_look: None,
            listings: Listings::default(),
            keys: KeyTable::default(),
        }
    }

    /// Makes a subscriber watch exactly this. With `check_now`, names and paths that were never seen are checked as soon
    /// as possible. Otherwise the subscriber is about to read them, and they count as checked `now`.
    pub(crate) fn subscribe(
        &mut self,
        object: &ObjectRef,
        subscription: Subscription,
        check_now: bool,
        now: Instant,
    ) -> Subscriber {
        let subscriber = SubscriberKey::of(object);
        // The former key stays, which is remembered with each name.
        let (subscriber, before) = match self.subscriptions.remove_entry(&subscriber) {
            Some((former, before)) => (former, before.subscription),
            None => (subscriber, Subscription::default()),
        };
        let subscription = self.interned(subscription);
        if before != subscription {
            self.replace(&subscriber, &before, &subscription, check_now, now);
        }
        for (query, interval) in &subscription.paths {
            let share = fraction(query, self.offset);
            self.listings.subscribe(query, &subscriber, *interval, (check_now, share), now);
        }
        self.observe_listed(&subscription, now);
        if check_now {
            for name in subscription.names().filter(|name| self.is_unseen(name)).cloned().collect::<Vec<_>>() {
                self.first_looks.add(&name, &subscriber);
            }
        }
        let secret = object.secret.clone();
        self.subscriptions.insert(Arc::clone(&subscriber), Box::new(Subscribed { secret, subscription }));
        subscriber
    }

    /// Has a subscription share the names of the table.
    fn interned(&self, mut subscription: Subscription) -> Subscription {
        for (name, _) in &mut subscription.names {
            if let Some(known) = self.watched_as(name) {
                *name = known;
            }
        }
        subscription
    }

    fn replace(
        &mut self,
        subscriber: &Subscriber,
        before: &Subscription,
        after: &Subscription,
        check_now: bool,
        now: Instant,
    ) {
        for name in before.names().filter(|name| !after.has_name(name)) {
            self.remove_subscriber(subscriber, name);
        }
        for query in before.paths.keys().filter(|query| !after.paths.contains_key(*query)) {
            self.listings.unsubscribe(query, subscriber);
        }
        for (name, options) in &after.names {
            let checked_at = Some(now).filter(|_| !check_now);
            let new = || Box::new(WatchedName { checked_at, ..WatchedName::default() });
            self.names.entry(name.clone()).or_insert_with(new).subscribers.insert(subscriber.clone(), *options);
            self.update_interval(name);
            self.plan_revalidation(name, now);
        }
    }

    /// Takes what a listing has shown of names that were never seen, so that they need not be checked.
    fn observe_listed(&mut self, subscription: &Subscription, now: Instant) {
        if subscription.paths.is_empty() {
            return;
        }
        let listed =
            |name: &ParameterRef| Some((name.clone(), self.listings.child(subscription.paths.keys(), name)?.clone()));
        let unseen = subscription.names().filter(|name| self.is_unseen(name));
        let listed: Vec<_> = unseen.filter_map(listed).collect();
        for (name, metadata) in listed {
            self.observe(&name, Observation::found(metadata), now);
        }
    }

    fn is_unseen(&self, name: &ParameterRef) -> bool {
        self.names.get(name).is_some_and(|watched| watched.observation.is_none())
    }

    /// Removes a subscriber, and the names that only it watched.
    pub(crate) fn unsubscribe(&mut self, subscriber: &Subscriber) {
        let Some(Subscribed { subscription, .. }) = self.subscriptions.remove(subscriber).map(|entry| *entry) else {
            return;
        };
        for name in subscription.names() {
            self.remove_subscriber(subscriber, name);
        }
        for query in subscription.paths.keys() {
            self.listings.unsubscribe(query, subscriber);
        }
    }

    fn remove_subscriber(&mut self, subscriber: &Subscriber, name: &ParameterRef) {
        let Some(watched) = self.names.get_mut(name) else { return };
        watched.subscribers.remove(subscriber);
        let is_unwatched = watched.subscribers.is_empty();
        self.update_interval(name);
        self.update_revalidation(name);
        if is_unwatched {
            self.names.remove(name);
            self.keys.forget(name);
            self.first_looks.remove(name);
            self.stale.remove(name);
            self.checks.stop(name);
        }
    }

    /// Records an observation. The version of a name goes forward only: an answer that is older than one before is stale.
    pub(crate) fn observe(&mut self, name: &ParameterRef, mut observation: Observation, now: Instant) -> Recorded {
        self.first_looks.remove(name);
        if !observation.result.as_ref().is_err_and(ReadError::is_outage) {
            self.last_look = Some(now);
        }
        // The name that the table holds is the one that is remembered elsewhere.
        let Some(name) = &self.watched_as(name) else { return Recorded::Fresh(Vec::new()) };
        let Some(watched) = self.names.get_mut(name) else { return Recorded::Fresh(Vec::new()) };
        observation.share(&name.arn, &self.secure_string);
        if let Ok(metadata) = &observation.result
            && !watched.newest.take(name, VersionAge::of(metadata), now)
        {
            self.stale.insert(name.clone(), now + watched.newest.check_again_in(now));
            return Recorded::Stale;
        }
        self.stale.remove(name);
        let is_changed = watched.observation.as_ref().is_none_or(|before| before.differs(&observation));
        if let Ok(metadata) = &observation.result
            && is_changed
            && *metadata.type_ == *self.secure_string
            && !name.is_reference()
        {
            self.keys.version_observed(name, metadata.version);
        }
        watched.observation = Some(observation);
        let before = watched.checked_at.replace(now);
        self.sweeps.checked(name, watched.interval, before, now);
        if !is_changed {
            return Recorded::Fresh(Vec::new());
        }
        watched.changed_at = Some(now);
        Recorded::Fresh(watched.subscribers.keys().cloned().collect())
    }

    /// Restores the newest version of a name that was seen before a restart.
    pub(crate) fn remember_version(&mut self, name: &ParameterRef, age: VersionAge) {
        if let Some(watched) = self.names.get_mut(name) {
            watched.newest.remember(age);
            self.first_looks.remember(name, age);
        }
    }

    /// Ends a check that was taken.
    pub(crate) fn end_check(&mut self, name: &ParameterRef) {
        self.checks.end(name);
        self.first_looks.end(name);
    }

    /// Reports whether there are names to look at that wait only for others to be looked at.
    pub(crate) fn has_first_looks(&self) -> bool {
        self.first_looks.has_due()
    }

    /// Returns the reference that the table holds of a name, if somebody watches it.
    pub(crate) fn watched_as(&self, name: &ParameterRef) -> Option<ParameterRef> {
        self.names.get_key_value(name).map(|(known, _)| known.clone())
    }

    /// Returns what was last observed of a name.
    pub(crate) fn observation(&self, name: &ParameterRef) -> Option<&Observation> {
        self.names.get(name)?.observation.as_ref()
    }

    /// Returns when a name was last checked.
    pub(crate) fn checked_at(&self, name: &ParameterRef) -> Option<Instant> {
        self.names.get(name)?.checked_at
    }

    /// Returns when a name was last observed to differ from before.
    pub(crate) fn changed_at(&self, name: &ParameterRef) -> Option<Instant> {
        self.names.get(name)?.changed_at
    }

    /// Returns the names to check now, and when to ask again. Each check is to be ended when it is over.
    pub(crate) fn take_due_checks(&mut self, now: Instant) -> (Vec<ParameterRef>, Option<Instant>) {
        let (swept, next) = self.sweeps.take_due(now);
        for name in &swept {
            self.first_looks.remove(name);
            if let Some(watched) = self.names.get_mut(name) {
                watched.checked_at = Some(now);
            }
        }
        let first = self.first_looks.take();
        for name in &first {
            if let Some(watched) = self.names.get_mut(name) {
                // They count as checked, so that the sweeps take others meanwhile.
                let before = watched.checked_at.replace(now);
                self.sweeps.checked(name, watched.interval, before, now);
            }
        }
        let stale: Vec<_> = self.stale.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        self.stale.retain(|_, at| *at > now);
        let next = [next, self.stale.values().min().copied()].into_iter().flatten().min();
        let mut due: Vec<_> = first.into_iter().chain(stale).chain(swept).collect();
        due.retain(|name| self.checks.begin(name, now));
        (due, next)
    }

    /// Returns the values to decrypt again, at most those of one call, with how they are decrypted; and when to ask
    /// again.
    pub(crate) fn take_due_revalidations(&mut self, now: Instant) -> (Vec<(ParameterRef, ReadMode)>, Option<Instant>) {
        let mode = |name: ParameterRef| {
            let watched = self.names.get(&name)?;
            // Decrypting a value that is not encrypted proves nothing.
            let options = watched.subscribers.values().filter(|o| o.revalidate.is_some() && !watched.is_plain());
            let options = options.min_by_key(|options| (options.revalidate, options.mode))?;
            Some((name, options.mode))
        };
        let due = self.revalidations.take_due(now).into_iter().filter_map(mode).collect();
        (due, self.revalidations.next())
    }

    /// Notes that a value was decrypted.
    pub(crate) fn decrypted(&mut self, name: &ParameterRef, now: Instant) {
        if let Some(interval) = self.revalidations.interval(name) {
            // Up to a tenth early, so that values that were read together are not due together for ever.
            let at = now + interval.mul_f64(1.0 - 0.1 * fraction(name, self.offset));
            self.revalidations.plan(name, at, interval);
        }
    }

    /// Returns the subscribers of a name.
    pub(crate) fn subscribers(&self, name: &ParameterRef) -> impl Iterator<Item = &Subscriber> {
        self.names.get(name).into_iter().flat_map(|watched| watched.subscribers.keys())
    }

    /// Returns the objects that watch a name, for the audit.
    pub(crate) fn objects(&self, name: &ParameterRef) -> Vec<ObjectRef> {
        self.subscribers(name).filter_map(|subscriber| self.object(subscriber)).collect()
    }

    /// Returns the object of a subscriber, for the audit.
    pub(crate) fn object(&self, subscriber: &Subscriber) -> Option<ObjectRef> {
        let Subscribed { secret, .. } = &**self.subscriptions.get(subscriber)?;
        Some(ObjectRef {
            kind: "SecureParameter",
            namespace: Some(subscriber.namespace.clone()),
            name: subscriber.name.clone(),
            uid: subscriber.uid.clone(),
            secret: secret.clone(),
            reason: "",
        })
    }

    /// Returns the number of watched names and of watched paths.
    pub(crate) fn watched(&self) -> (usize, usize) {
        (self.names.len(), self.listings.len())
    }

    /// Returns the number of watched names, and the calls a second that polling takes.
    pub(crate) fn load(&self) -> (usize, f64) {
        (self.names.len(), self.sweeps.load() + self.listings.load())
    }

    /// Returns when AWS last said something, and what is overdue: names and paths that were to be looked at twice since AWS
    /// last said something about them.
    pub(crate) fn looks(&self, now: Instant) -> Looks {
        let interval = |name: &ParameterRef| self.names.get(name)?.interval;
        let is_late = |(name, since): (&ParameterRef, Instant)| interval(name).is_some_and(|i| now - since > i);
        // One that is being checked counts as checked, so no name counts twice.
        let late = self.checks.iter().filter(|check| is_late(*check)).count();
        let (last_listing, overdue_paths) = self.listings.looks(now);
        Looks { last: self.last_look.max(last_listing), overdue: late + self.sweeps.overdue(now) + overdue_paths }
    }

    /// Sweeps a name at the shortest interval of its subscribers.
    fn update_interval(&mut self, name: &ParameterRef) {
        let Some(watched) = self.names.get_mut(name) else { return };
        let interval = interval_of(name, watched.shortest(|options| options.interval));
        let before = std::mem::replace(&mut watched.interval, interval);
        if interval != before {
            self.sweeps.move_name(name, watched.checked_at, (before, interval));
        }
    }

    /// Plans when a value is decrypted again, at the shortest interval of its subscribers. Nobody knows when it was
    /// decrypted last, so the first time is anywhere within the interval, but not at once.
    fn plan_revalidation(&mut self, name: &ParameterRef, now: Instant) {
        let Some(watched) = self.names.get(name) else { return };
        match watched.shortest(|options| options.revalidate) {
            None => self.revalidations.forget(name),
            Some(interval) if self.revalidations.interval(name) == Some(interval) => {}
            Some(interval) => {
                let wait = NOT_DECRYPTED_FOR.min(interval / 10);
                let at = now + wait + interval.saturating_sub(wait).mul_f64(fraction(name, self.offset));
                self.revalidations.plan(name, at, interval);
            }
        }
    }

    /// Updates how often a value is decrypted again after a subscriber has left. The planned time stays.
    fn update_revalidation(&mut self, name: &ParameterRef) {
        let Some(watched) = self.names.get(name) else { return };
        match watched.shortest(|options| options.revalidate) {
            None => self.revalidations.forget(name),
            Some(interval) => self.revalidations.set_interval(name, interval),
        }
    }
}

/// Returns a number from 0 to 1 that depends on a name and `offset` only.
fn fraction(name: &impl Hash, offset: f64) -> f64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let bits = u32::try_from(hasher.finish() >> 32).unwrap_or_default();
    (f64::from(bits) / f64::from(u32::MAX) + offset).fract()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        domain::parameter::revision::Metadata,
        parameters::{
            WatchOptions,
            testing::names::{object, parameter_ref},
        },
    };

    #[test]
    fn a_name_and_a_subscriber_are_in_memory_once_however_often_they_are_watched() {
        let (mut table, now) = (VersionTable::new(0.5), Instant::now());
        let interval = Some(Duration::from_secs(60));
        let options = WatchOptions { interval, revalidate: interval, mode: ReadMode::Decrypt };
        let mut watch = |name: &str| {
            let names = [(parameter_ref("/a"), options)].into();
            table.subscribe(&object("shop", name), Subscription { names, ..Subscription::default() }, true, now)
        };
        let first = watch("one");
        watch("two");
        assert!(Arc::ptr_eq(&first, &watch("one")), "the same subscriber");
        let metadata = Metadata { version: 1, type_: "SecureString".into(), ..Metadata::default() };
        table.observe(&parameter_ref("/a"), Observation::found(metadata), now);
        let known = table.watched_as(&parameter_ref("/a")).expect("a watched name");
        assert!(table.take_due_checks(now).0.is_empty(), "it was checked just now");
        let swept = table.take_due_checks(now + Duration::from_secs(120)).0;
        let subscribed = table.subscriptions.values().flat_map(|subscribed| subscribed.subscription.names());
        let mut names: Vec<_> = subscribed.cloned().chain(swept).collect();
        names.extend(table.keys.take_undiscovered());
        assert_eq!(names.len(), 4, "two subscriptions, the schedule, the keys to discover");
        assert!(names.iter().all(|name| name.is_shared_with(&known)), "{names:?}");
        assert!(table.subscribers(&known).any(|subscriber| Arc::ptr_eq(subscriber, &first)));
    }

    #[test]
    fn what_aws_says_nothing_about_for_two_intervals_is_overdue() {
        let (mut table, start) = (VersionTable::new(0.5), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let interval = Some(Duration::from_secs(60));
        let options = WatchOptions { interval, revalidate: None, mode: ReadMode::Version };
        let name = parameter_ref("/a");
        let subscription = Subscription { names: [(name.clone(), options)].into(), ..Subscription::default() };
        table.subscribe(&object("shop", "one"), subscription, true, start);
        assert_eq!(table.looks(at(600)), Looks::default(), "the first look is still to come");
        table.observe(&name, Observation::found(Metadata::default()), start);
        assert_eq!(table.looks(at(120)), Looks { last: Some(start), overdue: 0 });
        assert_eq!(table.looks(at(121)), Looks { last: Some(start), overdue: 1 });
        // A check that hangs counts from its begin.
        drop(table.take_due_checks(at(0)));
        assert_eq!(table.take_due_checks(at(100)).0.len(), 1);
        assert_eq!((table.looks(at(160)).overdue, table.looks(at(161)).overdue), (0, 1));
        table.observe(&name, Observation { result: Err(ReadError::interrupted()), access: None }, at(161));
        assert_eq!(table.looks(at(161)), Looks { last: Some(start), overdue: 1 }, "that was no answer");
        table.observe(&name, Observation::found(Metadata::default()), at(162));
        table.end_check(&name);
        assert_eq!(table.looks(at(163)), Looks { last: Some(at(162)), overdue: 0 });
    }
}
