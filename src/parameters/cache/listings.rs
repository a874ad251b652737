//! Which paths are listed, for whom, how often, and what is known of them. Pure; time is an argument.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::oneshot, task::AbortHandle, time::Instant};

use crate::domain::{
    parameter::{
        name::ParameterRef,
        path_query::{Children, PathQuery},
        revision::Metadata,
    },
    report::event::Access,
};
use crate::parameters::{Priority, cache::table::Subscriber, read_error::ReadError};

/// First and longest wait before a path is listed again, or a name looked at, where that could not be done.
pub const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What came of listing a path.
#[derive(Clone, Debug)]
pub struct Listed {
    /// All that is below, or why that is not known.
    pub result: Result<Children, ReadError>,
    /// The call that failed.
    pub access: Option<Arc<Access>>,
}

impl Listed {
    fn differs(&self, other: &Self) -> bool {
        match (&self.result, &other.result) {
            (Ok(one), Ok(two)) => !one.keys().eq(two.keys()),
            (Err(one), Err(two)) => one.to_string() != two.to_string(),
            _ => true,
        }
    }
}

#[derive(Debug, Default)]
struct Entry {
    subscribers: HashMap<Subscriber, Option<Duration>>,
    seen: Option<Listed>,
    /// What the last complete listing found.
    children: Option<Children>,
    /// When something else was found than before.
    changed_at: Option<Instant>,
    /// When to list next; never, if `None`.
    due: Option<Instant>,
    is_under_way: bool,
    /// How to stop that.
    stop: Option<AbortHandle>,
    /// Failures in a row.
    failures: u32,
    /// Those who wait for what is under way to be over.
    waiting: Vec<oneshot::Sender<()>>,
    /// Those who wait for the next time, and the most urgent of them.
    next: Vec<oneshot::Sender<()>>,
    urgency: Option<Priority>,
}

impl Entry {
    fn interval(&self) -> Option<Duration> {
        self.subscribers.values().flatten().min().copied()
    }
}

/// All wanted paths of one identity.
#[derive(Debug, Default)]
pub struct Listings {
    entries: BTreeMap<PathQuery, Entry>,
}

/// A path that is to be listed now.
#[derive(Debug)]
pub struct Due {
    /// The path.
    pub listing: PathQuery,
    /// Urgency.
    pub priority: Priority,
}

impl Listings {
    /// Makes a subscriber want a path listed at an interval. If it was never listed, that is to be done at once where
    /// `look` says so, else within `share` of the interval.
    pub fn subscribe(
        &mut self,
        listing: &PathQuery,
        subscriber: &Subscriber,
        interval: Option<Duration>,
        (look, share): (bool, f64),
        now: Instant,
    ) {
        let entry = self.entries.entry(listing.clone()).or_default();
        let before = entry.interval();
        entry.subscribers.insert(subscriber.clone(), interval);
        match entry.interval() {
            _ if look && entry.seen.is_none() && !entry.is_under_way => entry.due = Some(now),
            interval if interval == before => {}
            // Whoever waits is not left waiting.
            None if !entry.next.is_empty() => {}
            None => entry.due = None,
            Some(interval) => {
                let at = now + interval.mul_f64(share);
                entry.due = Some(entry.due.map_or(at, |due| due.min(at)));
            }
        }
    }

    /// Makes a subscriber want a path no more.
    pub fn unsubscribe(&mut self, listing: &PathQuery, subscriber: &Subscriber) {
        if let Some(entry) = self.entries.get_mut(listing) {
            entry.subscribers.remove(subscriber);
            if entry.subscribers.is_empty() {
                entry.stop.take().iter().for_each(AbortHandle::abort);
                self.entries.remove(listing);
            }
        }
    }

    /// Wants a path listed now: `anew`, if what is under way already will not do. The receiver ends when that is over;
    /// none if nobody subscribed.
    pub fn request(
        &mut self,
        listing: &PathQuery,
        priority: Priority,
        anew: bool,
        now: Instant,
    ) -> Option<oneshot::Receiver<()>> {
        let entry = self.entries.get_mut(listing)?;
        let (over, receiver) = oneshot::channel();
        if entry.is_under_way && !anew {
            entry.waiting.push(over);
            return Some(receiver);
        }
        entry.next.push(over);
        entry.urgency = Some(entry.urgency.map_or(priority, |urgency| urgency.min(priority)));
        entry.due = Some(now);
        Some(receiver)
    }

    /// The paths to list now, and when to ask next.
    pub fn due(&mut self, now: Instant) -> (Vec<Due>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None);
        for (listing, entry) in &mut self.entries {
            // What is under way comes up again when it is over.
            let Some(at) = entry.due.filter(|_| !entry.is_under_way) else { continue };
            if at > now {
                next = [next, Some(at)].into_iter().flatten().min();
                continue;
            }
            entry.is_under_way = true;
            entry.due = None;
            let priority = entry.urgency.take().unwrap_or(Priority::Sweep);
            entry.waiting.append(&mut entry.next);
            due.push(Due { listing: listing.clone(), priority });
        }
        (due, next)
    }

    /// Notes how to stop a listing, or stops it at once if nobody wants it any more.
    pub fn in_flight(&mut self, listing: &PathQuery, stop: AbortHandle) {
        match self.entries.get_mut(listing) {
            Some(entry) => entry.stop = Some(stop),
            None => stop.abort(),
        }
    }

    /// Takes in what came of listing a path. Answers with the subscribers that this is news for.
    pub fn observe(&mut self, listing: &PathQuery, listed: Listed, now: Instant) -> Vec<Subscriber> {
        let Some(entry) = self.entries.get_mut(listing) else { return Vec::new() };
        entry.is_under_way = false;
        entry.waiting.clear();
        let is_outage = listed.result.as_ref().is_err_and(ReadError::is_outage);
        entry.failures = if is_outage { entry.failures.saturating_add(1) } else { 0 };
        let retry = is_outage.then(|| (RETRY.0 * 2_u32.saturating_pow(entry.failures - 1)).min(RETRY.1));
        let wait = [retry, entry.interval()].into_iter().flatten().min();
        // A request that came meanwhile stands.
        entry.due = entry.due.or(wait.map(|wait| now + wait));
        if let Ok(children) = &listed.result {
            entry.children = Some(Arc::clone(children));
        }
        let is_news = entry.seen.as_ref().is_none_or(|before| before.differs(&listed));
        entry.seen = Some(listed);
        if !is_news {
            return Vec::new();
        }
        entry.changed_at = Some(now);
        entry.subscribers.keys().cloned().collect()
    }

    /// What came of listing a path last.
    pub fn seen(&self, listing: &PathQuery) -> Option<&Listed> {
        self.entries.get(listing)?.seen.as_ref()
    }

    /// When a path was last seen to hold something else than before.
    pub fn changed_at(&self, listing: &PathQuery) -> Option<Instant> {
        self.entries.get(listing)?.changed_at
    }

    /// What the last complete listing of a path found.
    pub fn children(&self, listing: &PathQuery) -> Option<&Children> {
        self.entries.get(listing)?.children.as_ref()
    }

    /// What a listing says of a parameter.
    pub fn child<'a>(
        &'a self,
        listings: impl Iterator<Item = &'a PathQuery>,
        parameter_ref: &ParameterRef,
    ) -> Option<&'a Metadata> {
        listings.filter_map(|listing| self.children(listing)).find_map(|children| children.get(parameter_ref))
    }

    /// Whether something that was there is no more.
    pub fn lacks(&self, listing: &PathQuery, children: &Children) -> bool {
        self.children(listing).is_some_and(|before| before.keys().any(|child| !children.contains_key(child)))
    }

    /// Those who want a path listed.
    pub fn subscribers(&self, listing: &PathQuery) -> impl Iterator<Item = &Subscriber> {
        self.entries.get(listing).into_iter().flat_map(|entry| entry.subscribers.keys())
    }

    /// Calls a second that listing takes at the wanted intervals, ten parameters a page.
    pub fn load(&self) -> f64 {
        let load = |entry: &Entry| {
            let pages =
                crate::parameters::cache::table::calls(entry.children.as_ref().map_or(0, |children| children.len()));
            entry.interval().map(|interval| pages / interval.as_secs_f64())
        };
        self.entries.values().filter_map(load).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> PathQuery {
        PathQuery { path: "/shop".into(), recursive: true, label: None }
    }

    fn subscriber(name: &str) -> Subscriber {
        ("shop".into(), name.into())
    }

    fn found(names: &[&str]) -> Listed {
        let scope =
            crate::domain::parameter::scope::Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let child = |name: &&str| (ParameterRef::new(name, None, &scope), Metadata::default());
        Listed { result: Ok(Arc::new(names.iter().map(child).collect())), access: None }
    }

    const INTERVAL: Option<Duration> = Some(Duration::from_secs(100));

    #[test]
    fn a_path_is_listed_at_its_shortest_interval() {
        let (mut listings, now) = (Listings::default(), Instant::now());
        listings.subscribe(&listing(), &subscriber("a"), INTERVAL, (true, 0.5), now);
        assert_eq!(listings.due(now).0.len(), 1);
        assert!(listings.due(now).0.is_empty(), "it is under way");
        assert_eq!(listings.observe(&listing(), found(&["/shop/a"]), now), [subscriber("a")]);
        assert_eq!(listings.due(now).1, Some(now + Duration::from_secs(100)));
        listings.subscribe(&listing(), &subscriber("b"), Some(Duration::from_secs(10)), (true, 0.5), now);
        assert_eq!(listings.due(now).1, Some(now + Duration::from_secs(5)));
        listings.unsubscribe(&listing(), &subscriber("b"));
        listings.unsubscribe(&listing(), &subscriber("a"));
        assert_eq!(listings.due(now + Duration::from_secs(1_000)).0.len(), 0);
    }

    #[test]
    fn only_news_is_told() {
        let (mut listings, now) = (Listings::default(), Instant::now());
        listings.subscribe(&listing(), &subscriber("a"), INTERVAL, (true, 0.5), now);
        assert_eq!(listings.observe(&listing(), found(&["/shop/a"]), now).len(), 1);
        assert_eq!(listings.observe(&listing(), found(&["/shop/a"]), now).len(), 0);
        let failed = || Listed { result: Err(ReadError::NotFound), access: None };
        assert_eq!(listings.observe(&listing(), failed(), now).len(), 1);
        assert_eq!(listings.observe(&listing(), failed(), now).len(), 0);
        assert_eq!(
            listings.children(&listing()).map(|children| children.len()),
            Some(1),
            "what was there is remembered"
        );
        let Ok(less) = found(&[]).result else { unreachable!("found") };
        assert!(listings.lacks(&listing(), &less));
        assert_eq!(listings.observe(&listing(), found(&["/shop/a", "/shop/b"]), now).len(), 1);
    }

    #[test]
    fn whoever_wants_a_path_listed_anew_waits_for_the_next_time() {
        let (mut listings, now) = (Listings::default(), Instant::now());
        assert!(listings.request(&listing(), Priority::New, true, now).is_none(), "nobody subscribed");
        listings.subscribe(&listing(), &subscriber("a"), INTERVAL, (true, 0.5), now);
        assert_eq!(listings.due(now).0[0].priority, Priority::Sweep);
        let mut over = listings.request(&listing(), Priority::New, true, now).expect("a receiver");
        let mut joined = listings.request(&listing(), Priority::New, false, now).expect("a receiver");
        assert!(listings.due(now).0.is_empty());
        listings.observe(&listing(), found(&[]), now);
        let is_over =
            |receiver: &mut oneshot::Receiver<()>| receiver.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert!(is_over(&mut joined) && !is_over(&mut over));
        let (due, _) = listings.due(now);
        assert_eq!((due.len(), due[0].priority), (1, Priority::New));
        listings.observe(&listing(), found(&[]), now);
        assert!(is_over(&mut over));
    }
}
