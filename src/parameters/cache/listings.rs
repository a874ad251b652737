//! Which paths are listed, for whom, and what was last found below each. Pure; time is an argument.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::oneshot, task::AbortHandle, time::Instant};

use crate::domain::parameter::{
    name::ParameterRef,
    path_query::{Children, PathQuery},
    revision::Metadata,
};
use crate::parameters::{
    cache::{check_schedule::calls_for, observation::PathObservation, subscription::Subscriber},
    quota::priority::Priority,
    read_error::ReadError,
    retry::poll_backoff,
};

/// How long a path that holds too many parameters is not listed again.
const AFTER_TOO_MANY: Duration = Duration::from_secs(300);

/// The watched paths of one identity.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    paths: BTreeMap<PathQuery, WatchedPath>,
    /// The number of listings that were started.
    started: u64,
    /// When AWS last said something about a path.
    last_look: Option<Instant>,
}

#[derive(Debug, Default)]
struct WatchedPath {
    /// The subscribers, and how often each wants the path listed.
    subscribers: HashMap<Subscriber, Option<Duration>>,
    observation: Option<PathObservation>,
    /// What the last complete listing found.
    children: Option<Children>,
    /// When the last complete listing ended.
    listed_at: Option<Instant>,
    /// When AWS last said something about the path, and before that when it began to be watched.
    looked_at: Option<Instant>,
    /// When the path was last observed to hold other parameters than before.
    changed_at: Option<Instant>,
    /// When to list next. `None`: not planned.
    due: Option<Instant>,
    /// The number of the listing that is running.
    running: Option<u64>,
    /// The task of the listing that is running.
    task: Option<AbortHandle>,
    /// Outages in a row.
    failures: u32,
    /// Closed when the listing that is running ends.
    waiting: Vec<oneshot::Sender<()>>,
    /// Closed when the next listing ends.
    waiting_for_next: Vec<oneshot::Sender<()>>,
    /// Priority of the next listing, if it was requested.
    requested: Option<Priority>,
}

impl WatchedPath {
    fn interval(&self) -> Option<Duration> {
        self.subscribers.values().flatten().min().copied()
    }
}

/// A listing that is due.
#[derive(Debug)]
pub(crate) struct DueListing {
    /// The path.
    pub(crate) query: PathQuery,
    /// The number of the listing. No two listings have the same.
    pub(crate) number: u64,
    /// Priority.
    pub(crate) priority: Priority,
}

impl Listings {
    /// Makes a subscriber watch a path at an interval. A path that was never listed is due at once with `check_now`,
    /// otherwise after `share` of the interval.
    pub(crate) fn subscribe(
        &mut self,
        query: &PathQuery,
        subscriber: &Subscriber,
        interval: Option<Duration>,
        (check_now, share): (bool, f64),
        now: Instant,
    ) {
        let path = self.paths.entry(query.clone()).or_default();
        let before = path.interval();
        path.looked_at.get_or_insert(now);
        path.subscribers.insert(subscriber.clone(), interval);
        match path.interval() {
            _ if check_now && path.observation.is_none() && path.running.is_none() => path.due = Some(now),
            interval if interval == before => {}
            // The next listing was requested, so it stays planned.
            None if !path.waiting_for_next.is_empty() => {}
            None => path.due = None,
            Some(interval) => {
                let at = now + interval.mul_f64(share);
                path.due = Some(path.due.map_or(at, |due| due.min(at)));
            }
        }
    }

    /// Ends a subscription. Without subscribers a path is removed, and its listing stopped.
    pub(crate) fn unsubscribe(&mut self, query: &PathQuery, subscriber: &Subscriber) {
        if let Some(path) = self.paths.get_mut(query) {
            path.subscribers.remove(subscriber);
            if path.subscribers.is_empty() {
                path.task.take().iter().for_each(AbortHandle::abort);
                self.paths.remove(query);
            }
        }
    }

    /// Requests a listing. If one is running, it will do, unless `refresh` asks for one that begins later. The receiver
    /// is closed when the listing ends. `None` if nobody watches the path.
    pub(crate) fn request(
        &mut self,
        query: &PathQuery,
        priority: Priority,
        refresh: bool,
        now: Instant,
    ) -> Option<oneshot::Receiver<()>> {
        let path = self.paths.get_mut(query)?;
        let (sender, ended) = oneshot::channel();
        if path.running.is_some() && !refresh {
            path.waiting.push(sender);
            return Some(ended);
        }
        path.waiting_for_next.push(sender);
        path.requested = Some(path.requested.map_or(priority, |requested| requested.min(priority)));
        path.due = Some(now);
        Some(ended)
    }

    /// Takes the listings that are due, and returns when to ask again.
    pub(crate) fn take_due(&mut self, now: Instant) -> (Vec<DueListing>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None);
        for (query, path) in &mut self.paths {
            // A listing that is running asks again when it ends.
            let Some(at) = path.due.filter(|_| path.running.is_none()) else { continue };
            if at > now {
                next = [next, Some(at)].into_iter().flatten().min();
                continue;
            }
            self.started += 1;
            path.running = Some(self.started);
            path.due = None;
            let priority = path.requested.take().unwrap_or(Priority::Sweep);
            path.waiting.append(&mut path.waiting_for_next);
            due.push(DueListing { query: query.clone(), number: self.started, priority });
        }
        (due, next)
    }

    /// Returns when AWS last said something about a path, and how many paths it has said nothing about for two intervals.
    pub(crate) fn looks(&self, now: Instant) -> (Option<Instant>, usize) {
        let is_late = |path: &&WatchedPath| {
            let (interval, looked_at) = (path.interval(), path.looked_at);
            interval.zip(looked_at).is_some_and(|(interval, at)| now - at > 2 * interval.max(AFTER_TOO_MANY / 2))
        };
        (self.last_look, self.paths.values().filter(is_late).count())
    }

    /// Sets the task of a listing. Stops the task if nobody watches the path any more.
    pub(crate) fn set_task(&mut self, query: &PathQuery, task: AbortHandle) {
        match self.paths.get_mut(query) {
            Some(path) => path.task = Some(task),
            None => task.abort(),
        }
    }

    /// Ends a listing that found out nothing. It is repeated after its interval. Another listing of the same path goes on.
    pub(crate) fn end(&mut self, query: &PathQuery, number: u64, now: Instant) {
        if let Some(path) = self.paths.get_mut(query).filter(|path| path.running == Some(number)) {
            path.running = None;
            path.waiting.clear();
            path.due = path.due.or(path.interval().map(|interval| now + interval));
        }
    }

    /// Records an observation, which ends the listing. Returns the subscribers that have to act on it.
    pub(crate) fn observe(&mut self, query: &PathQuery, observation: PathObservation, now: Instant) -> Vec<Subscriber> {
        let Some(path) = self.paths.get_mut(query) else { return Vec::new() };
        path.running = None;
        path.waiting.clear();
        let is_outage = observation.result.as_ref().is_err_and(ReadError::is_outage);
        path.failures = if is_outage { path.failures.saturating_add(1) } else { 0 };
        let backoff = is_outage.then(|| poll_backoff(path.failures));
        let wait = match &observation.result {
            Err(ReadError::TooMany(_)) => path.interval().map(|interval| interval.max(AFTER_TOO_MANY)),
            _ => [backoff, path.interval()].into_iter().flatten().min(),
        };
        // A listing that was requested meanwhile stays planned.
        path.due = path.due.or(wait.map(|wait| now + wait));
        if !is_outage {
            path.looked_at = Some(now);
            self.last_look = Some(now);
        }
        if let Ok(children) = &observation.result {
            path.children = Some(Arc::clone(children));
            path.listed_at = Some(now);
        }
        let is_changed = path.observation.as_ref().is_none_or(|before| before.differs(&observation));
        path.observation = Some(observation);
        if !is_changed {
            return Vec::new();
        }
        path.changed_at = Some(now);
        path.subscribers.keys().cloned().collect()
    }

    /// Reports whether the last listing of a path is complete and not older than this.
    pub(crate) fn is_listed(&self, query: &PathQuery, most: Option<Duration>, now: Instant) -> bool {
        let Some(path) = self.paths.get(query) else { return false };
        let is_recent = |at: Instant| most.is_none_or(|most| now.saturating_duration_since(at) <= most);
        path.observation.as_ref().is_some_and(|observation| observation.result.is_ok())
            && path.listed_at.is_some_and(is_recent)
    }

    /// Returns what was last observed of a path.
    pub(crate) fn observation(&self, query: &PathQuery) -> Option<&PathObservation> {
        self.paths.get(query)?.observation.as_ref()
    }

    /// Returns when a path was last observed to hold other parameters than before.
    pub(crate) fn changed_at(&self, query: &PathQuery) -> Option<Instant> {
        self.paths.get(query)?.changed_at
    }

    /// Returns what the last complete listing of a path found.
    pub(crate) fn children(&self, query: &PathQuery) -> Option<&Children> {
        self.paths.get(query)?.children.as_ref()
    }

    /// Returns what the last complete listings of these paths say of a parameter.
    pub(crate) fn child<'a>(
        &'a self,
        queries: impl Iterator<Item = &'a PathQuery>,
        parameter_ref: &ParameterRef,
    ) -> Option<&'a Metadata> {
        queries.filter_map(|query| self.children(query)).find_map(|children| children.get(parameter_ref))
    }

    /// Returns how many bytes the value of a parameter has at least, if a listing has shown that.
    pub(crate) fn least_size<'a>(
        &'a self,
        queries: impl Iterator<Item = &'a PathQuery>,
        parameter_ref: &ParameterRef,
    ) -> Option<usize> {
        let mut observed = queries.filter_map(|query| self.observation(query));
        observed.find_map(|observation| observation.sizes.get(parameter_ref).copied())
    }

    /// Reports whether a parameter that the last complete listing found is not among `children`.
    pub(crate) fn lacks(&self, query: &PathQuery, children: &Children) -> bool {
        self.children(query).is_some_and(|before| before.keys().any(|child| !children.contains_key(child)))
    }

    /// Returns the subscribers of a path.
    pub(crate) fn subscribers(&self, query: &PathQuery) -> impl Iterator<Item = &Subscriber> {
        self.paths.get(query).into_iter().flat_map(|path| path.subscribers.keys())
    }

    /// Returns the number of watched paths.
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Returns the calls a second that listing takes, with ten parameters on a page.
    pub(crate) fn load(&self) -> f64 {
        let load = |path: &WatchedPath| {
            let pages = calls_for(path.children.as_ref().map_or(0, |children| children.len()));
            path.interval().map(|interval| pages / interval.as_secs_f64())
        };
        self.paths.values().filter_map(load).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::parameter::scope::Scope;

    fn query() -> PathQuery {
        PathQuery { path: "/shop".into(), recursive: true, label: None }
    }

    fn subscriber(name: &str) -> Subscriber {
        crate::parameters::testing::subscriber(name)
    }

    fn found(names: &[&str]) -> PathObservation {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let child = |name: &&str| (ParameterRef::new(name, None, &scope), Metadata::default());
        PathObservation::found(Arc::new(names.iter().map(child).collect()), Arc::default())
    }

    const INTERVAL: Option<Duration> = Some(Duration::from_secs(100));

    #[test]
    fn a_path_is_listed_at_its_shortest_interval() {
        let (mut listings, now) = (Listings::default(), Instant::now());
        listings.subscribe(&query(), &subscriber("a"), INTERVAL, (true, 0.5), now);
        assert_eq!(listings.take_due(now).0.len(), 1);
        assert!(listings.take_due(now).0.is_empty(), "it is running");
        assert_eq!(listings.observe(&query(), found(&["/shop/a"]), now), [subscriber("a")]);
        assert_eq!(listings.take_due(now).1, Some(now + Duration::from_secs(100)));
        listings.subscribe(&query(), &subscriber("b"), Some(Duration::from_secs(10)), (true, 0.5), now);
        assert_eq!(listings.take_due(now).1, Some(now + Duration::from_secs(5)));
        listings.unsubscribe(&query(), &subscriber("b"));
        listings.unsubscribe(&query(), &subscriber("a"));
        assert_eq!(listings.take_due(now + Duration::from_secs(1_000)).0.len(), 0);
    }

    #[test]
    fn subscribers_are_returned_only_when_something_changed() {
        let (mut listings, now) = (Listings::default(), Instant::now());
        listings.subscribe(&query(), &subscriber("a"), INTERVAL, (true, 0.5), now);
        assert_eq!(listings.observe(&query(), found(&["/shop/a"]), now).len(), 1);
        assert_eq!(listings.observe(&query(), found(&["/shop/a"]), now).len(), 0);
        let failed = || PathObservation::failed(ReadError::NotFound, None);
        assert_eq!(listings.observe(&query(), failed(), now).len(), 1);
        assert_eq!(listings.observe(&query(), failed(), now).len(), 0);
        assert_eq!(listings.children(&query()).map(|children| children.len()), Some(1), "what was there is remembered");
        let Ok(less) = found(&[]).result else { unreachable!("found") };
        assert!(listings.lacks(&query(), &less));
        assert_eq!(listings.observe(&query(), found(&["/shop/a", "/shop/b"]), now).len(), 1);
    }

    #[test]
    fn a_listing_that_was_stopped_does_not_end_the_one_after_it() {
        let (mut listings, now) = (Listings::default(), Instant::now());
        listings.subscribe(&query(), &subscriber("a"), INTERVAL, (true, 0.5), now);
        let stopped = listings.take_due(now).0[0].number;
        listings.unsubscribe(&query(), &subscriber("a"));
        listings.subscribe(&query(), &subscriber("b"), INTERVAL, (true, 0.5), now);
        let running = listings.take_due(now).0[0].number;
        let mut waiting = listings.request(&query(), Priority::New, false, now).expect("a receiver");
        listings.end(&query(), stopped, now);
        assert_eq!(waiting.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        listings.end(&query(), running, now);
        assert_eq!(waiting.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn a_refresh_waits_for_the_next_listing() {
        let (mut listings, now) = (Listings::default(), Instant::now());
        assert!(listings.request(&query(), Priority::New, true, now).is_none(), "nobody subscribed");
        listings.subscribe(&query(), &subscriber("a"), INTERVAL, (true, 0.5), now);
        assert_eq!(listings.take_due(now).0[0].priority, Priority::Sweep);
        let mut refreshed = listings.request(&query(), Priority::New, true, now).expect("a receiver");
        let mut joined = listings.request(&query(), Priority::New, false, now).expect("a receiver");
        assert!(listings.take_due(now).0.is_empty());
        listings.observe(&query(), found(&[]), now);
        let has_ended =
            |receiver: &mut oneshot::Receiver<()>| receiver.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        assert!(has_ended(&mut joined) && !has_ended(&mut refreshed));
        let (due, _) = listings.take_due(now);
        assert_eq!((due.len(), due[0].priority), (1, Priority::New));
        listings.observe(&query(), found(&[]), now);
        assert!(has_ended(&mut refreshed));
    }
}
