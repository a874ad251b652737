//! Which names are in a call, and in which order names are called for.

use std::time::Duration;

use tokio::{
    sync::oneshot::{Receiver, channel},
    time::Instant,
};

use crate::{
    domain::parameter::name::ParameterRef,
    parameters::{
        batch::{
            queue::RequestQueue,
            requests::{QueuedName, ReadReply, Waiter},
        },
        quota::priority::Priority,
        testing::{labelled, parameter_ref, version},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// A queue with a clock of its own. Requesters wait until they are dropped here.
struct TestQueue {
    queue: RequestQueue,
    start: Instant,
    now: Duration,
    waiters: Vec<Receiver<ReadReply>>,
}

impl TestQueue {
    fn new() -> Self {
        Self { queue: RequestQueue::default(), start: Instant::now(), now: Duration::ZERO, waiters: Vec::new() }
    }

    fn add(&mut self, parameter_ref: &ParameterRef, priority: Priority, tenant: &str) {
        let (reply, waiter) = channel();
        self.waiters.push(waiter);
        let waiter =
            Waiter { reply, objects: Vec::new(), optional: false, since: self.start + self.now, fallback: None };
        self.queue.add(QueuedName::new(parameter_ref.clone(), waiter, priority, tenant.into()));
    }

    fn add_all(&mut self, names: &[&str]) {
        for name in names {
            self.add(&parameter_ref(name), Priority::New, "shop");
        }
    }

    fn add_many(&mut self, count: usize, priority: Priority, tenant: &str) {
        for number in 0..count {
            self.add(&parameter_ref(&format!("/{tenant}/{number:05}")), priority, tenant);
        }
    }

    fn take_names(&mut self) -> Vec<QueuedName> {
        self.queue.take(self.start + self.now)
    }

    fn take(&mut self) -> Vec<String> {
        self.take_names().iter().map(|name| name.parameter_ref.request_name()).collect()
    }

    /// Returns how many calls are made, a tenth of a second apart, until one is for `name`.
    fn calls_until(&mut self, name: &str) -> usize {
        let mut calls = 0;
        loop {
            calls += 1;
            self.now += SECOND / 10;
            let batch = self.take();
            assert!(!batch.is_empty(), "{name} is never called for");
            if batch.iter().any(|called| called == name) {
                return calls;
            }
        }
    }
}

#[test]
fn requests_of_the_same_parameter_share_one_name() {
    let mut queue = TestQueue::new();
    for name in ["/a", "a", "arn:aws:ssm:eu-central-1:111122223333:parameter/a"] {
        queue.add(&parameter_ref(name), Priority::New, "shop");
    }
    let batch = queue.take_names();
    assert_eq!(batch.iter().map(|name| name.waiters.len()).collect::<Vec<_>>(), [3]);
    assert!(queue.take_names().is_empty());
}

#[test]
fn joining_moves_a_name_forward_but_never_back() {
    let mut queue = TestQueue::new();
    queue.add_many(100, Priority::Changed, "shop");
    for _ in 0..3 {
        queue.add(&parameter_ref("/shop/00000"), Priority::Changed, "shop");
        queue.add(&parameter_ref("/shop/00001"), Priority::Retry, "shop");
    }
    queue.add(&parameter_ref("/shop/00099"), Priority::Changed, "late");
    queue.add(&parameter_ref("/shop/00098"), Priority::New, "shop");
    let batch = queue.take();
    assert_eq!(batch[0], "/shop/00098", "as urgent as its most urgent request");
    for name in ["/shop/00000", "/shop/00001", "/shop/00099"] {
        assert!(batch.iter().any(|called| called == name), "{name} in {batch:?}");
    }
    let rest: usize = std::iter::from_fn(|| Some(queue.take().len()).filter(|taken| *taken > 0)).sum();
    assert_eq!(rest, 90, "each once");
}

#[test]
fn selections_of_one_parameter_are_in_different_calls() {
    let mut queue = TestQueue::new();
    for parameter_ref in [parameter_ref("/a"), version("/a", 1), labelled("/a", "prod"), parameter_ref("/b")] {
        queue.add(&parameter_ref, Priority::New, "shop");
    }
    assert_eq!([queue.take(), queue.take(), queue.take()], [vec!["/a", "/b"], vec!["/a:1"], vec!["/a:prod"]]);
}

#[test]
fn cancelled_requests_leave_the_queue() {
    let mut queue = TestQueue::new();
    for name in ["/a", "/b", "/b"] {
        queue.add(&parameter_ref(name), Priority::New, "shop");
    }
    queue.waiters.truncate(2);
    queue.waiters.remove(0);
    let batch = queue.take_names();
    assert_eq!(batch.len(), 1);
    assert_eq!((batch[0].parameter_ref.request_name().as_str(), batch[0].waiters.len()), ("/b", 1));
    queue.queue.add_part(batch);
    queue.waiters.clear();
    assert!(queue.take().is_empty(), "also from the parts of failed calls");
}

#[test]
fn an_isolated_name_is_called_for_alone() {
    let mut queue = TestQueue::new();
    queue.queue.isolate(&parameter_ref("/b"));
    for names in [["/a", "/b", "/c"], ["/b", "/a", "/c"]] {
        queue.add_all(&names);
        let batches = [queue.take(), queue.take()];
        assert!(batches.contains(&vec!["/b".to_owned()]), "{batches:?}");
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 3, "{batches:?}");
    }
    queue.queue.end_isolation(&parameter_ref("/b"));
    queue.add_all(&["/a", "/b", "/c"]);
    assert_eq!(queue.take(), ["/a", "/b", "/c"]);
}

#[test]
fn a_call_has_at_most_ten_names() {
    let mut queue = TestQueue::new();
    queue.add_many(25, Priority::New, "shop");
    assert_eq!([(); 4].map(|()| queue.take().len()), [10, 10, 5, 0]);
}

#[test]
fn a_tenant_with_many_names_does_not_delay_another() {
    let mut queue = TestQueue::new();
    queue.add_many(10_000, Priority::New, "big");
    assert_eq!(queue.take().len(), 10);
    queue.add(&parameter_ref("/late"), Priority::New, "late");
    assert!(queue.calls_until("/late") <= 2);
}

#[test]
fn names_that_cannot_share_a_call_do_not_delay_another_tenant() {
    let mut queue = TestQueue::new();
    queue.add(&parameter_ref("/first"), Priority::New, "big");
    for number in 1..1_000 {
        queue.add(&version("/same", number), Priority::New, "big");
        let poisoned = parameter_ref(&format!("/poisoned/{number}"));
        queue.queue.isolate(&poisoned);
        queue.add(&poisoned, Priority::New, "big");
    }
    queue.take();
    // Isolated, so that it is not merely added to a call of the other tenant.
    queue.queue.isolate(&parameter_ref("/late"));
    queue.add(&parameter_ref("/late"), Priority::New, "late");
    assert!(queue.calls_until("/late") <= 3);
}

#[test]
fn urgent_names_go_first_until_others_have_waited_long_enough() {
    let mut queue = TestQueue::new();
    queue.add_many(10, Priority::Sweep, "old");
    queue.now = 29 * SECOND;
    queue.add_many(10, Priority::New, "new");
    assert!(queue.take()[0].starts_with("/new"));
    queue.now = 31 * SECOND;
    queue.add_many(10, Priority::New, "new");
    assert!(queue.take()[0].starts_with("/old"), "31 seconds outweigh three steps");
}

#[test]
fn a_long_queue_of_aged_names_does_not_delay_new_ones() {
    let mut queue = TestQueue::new();
    queue.add_many(10_000, Priority::Sweep, "old");
    queue.now = 60 * SECOND;
    assert!(queue.take()[0].starts_with("/old"));
    queue.add(&parameter_ref("/new"), Priority::New, "new");
    assert!(queue.calls_until("/new") <= 2);
}

#[test]
fn no_priority_starves() {
    let mut queue = TestQueue::new();
    queue.add_many(10_000, Priority::New, "new");
    queue.add_many(11, Priority::Retry, "low");
    let first = queue.calls_until("/low/00000");
    assert!((490..520).contains(&first), "waiting outweighs five steps in 50 s, not in {first} calls");
    assert!(queue.calls_until("/low/00010") <= 53, "and then it has its turns");
}

#[test]
fn parts_of_a_failed_call_go_first_and_stay_separate() {
    let mut queue = TestQueue::new();
    queue.add_many(10, Priority::New, "failed");
    let mut first = queue.take_names();
    let second = first.split_off(5);
    queue.add_many(10, Priority::New, "other");
    queue.queue.add_part(first);
    queue.queue.add_part(second);
    let taken = [queue.take(), queue.take(), queue.take()];
    assert_eq!(taken.each_ref().map(Vec::len), [5, 5, 10]);
    assert!(taken[..2].iter().flatten().all(|name| name.starts_with("/failed")), "{taken:?}");
}

#[test]
fn a_requeued_name_keeps_its_age() {
    let mut queue = TestQueue::new();
    queue.add(&parameter_ref("/old"), Priority::Sweep, "");
    queue.now = 31 * SECOND;
    for name in queue.take_names() {
        queue.queue.add(name);
    }
    queue.add_many(100, Priority::New, "new");
    assert!(queue.calls_until("/old") <= 31, "its three seconds between turns, not thirty more");
}
