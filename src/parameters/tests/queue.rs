//! Which names are in a call, and in which order names are called for.

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
        quota::{claim::Claim, priority::Priority, turns::Turns},
        testing::{labelled, parameter_ref, version},
    },
};

/// A queue with turns of its own. Requesters wait until they are dropped here.
struct TestQueue {
    queue: RequestQueue,
    turns: Turns,
    now: Instant,
    waiters: Vec<Receiver<ReadReply>>,
}

impl TestQueue {
    fn new() -> Self {
        Self { queue: RequestQueue::default(), turns: Turns::default(), now: Instant::now(), waiters: Vec::new() }
    }

    fn add(&mut self, parameter_ref: &ParameterRef, priority: Priority, tenant: &str) {
        let (reply, waiter) = channel();
        self.waiters.push(waiter);
        let waiter = Waiter { reply, objects: Vec::new(), optional: false, since: self.now, fallback: None };
        self.queue.add(QueuedName::new(parameter_ref.clone(), waiter, [Claim::new(priority, tenant)].into()));
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

    fn isolate(&mut self, name: &str) {
        self.queue.isolate(&parameter_ref(name), self.now);
    }

    fn take_names(&mut self) -> Vec<QueuedName> {
        loop {
            let claims = self.queue.claims();
            let Some((_, claim)) = self.turns.next(std::iter::once((0, &claims))) else { return Vec::new() };
            let batch = self.queue.take(&claim, self.now);
            if batch.names.is_empty() {
                continue;
            }
            self.turns.begin(&claim);
            let shares = batch.shares();
            for (claim, share) in &shares {
                self.turns.charge(claim, *share);
            }
            let total: f64 = shares.iter().map(|(_, share)| share).sum();
            assert!((total - 1.0).abs() < 1e-9, "{shares:?}");
            return batch.names;
        }
    }

    fn take(&mut self) -> Vec<String> {
        self.take_names().iter().map(|name| name.parameter_ref.request_name()).collect()
    }

    /// Returns how many calls are made until one is for `name`.
    fn calls_until(&mut self, name: &str) -> usize {
        let mut calls = 0;
        loop {
            calls += 1;
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
fn a_name_goes_with_the_most_urgent_of_its_requests() {
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
    queue.isolate("/b");
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
        let poisoned = format!("/poisoned/{number}");
        queue.isolate(&poisoned);
        queue.add(&parameter_ref(&poisoned), Priority::New, "big");
    }
    queue.take();
    // Isolated, so that it is not merely added to a call of the other tenant.
    queue.isolate("/late");
    queue.add(&parameter_ref("/late"), Priority::New, "late");
    assert!(queue.calls_until("/late") <= 3);
}

#[test]
fn urgent_names_go_first_and_others_have_their_share() {
    let mut queue = TestQueue::new();
    queue.add_many(10_000, Priority::Sweep, "old");
    queue.add_many(10_000, Priority::New, "new");
    let first: Vec<_> = (0..30).map(|_| queue.take()[0].starts_with("/new")).collect();
    assert!(first[0]);
    assert_eq!(first.iter().filter(|is_new| **is_new).count(), 20);
}

#[test]
fn a_long_queue_of_others_does_not_delay_new_names() {
    let mut queue = TestQueue::new();
    queue.add_many(10_000, Priority::Sweep, "old");
    assert!(queue.take()[0].starts_with("/old"));
    queue.add(&parameter_ref("/new"), Priority::New, "new");
    assert!(queue.calls_until("/new") <= 2);
}

#[test]
fn no_priority_starves() {
    let mut queue = TestQueue::new();
    queue.add_many(10_000, Priority::New, "new");
    queue.add_many(11, Priority::Retry, "low");
    assert!(queue.calls_until("/low/00000") <= 9);
    assert!(queue.calls_until("/low/00010") <= 9);
}

#[test]
fn whatever_one_tenant_asks_for_another_one_is_served_within_a_few_calls() {
    let all = [
        Priority::New,
        Priority::Requested,
        Priority::Changed,
        Priority::Sweep,
        Priority::Revalidation,
        Priority::Retry,
    ];
    for (priority, calls) in all.into_iter().zip([6, 12, 12, 12, 46, 46]) {
        let mut queue = TestQueue::new();
        for (number, priority) in all.into_iter().enumerate() {
            for name in 0..2_000 {
                queue.add(&parameter_ref(&format!("/greedy/{number}/{name}")), priority, "greedy");
            }
        }
        (0..200).for_each(|_| drop(queue.take()));
        queue.isolate("/quiet");
        queue.add(&parameter_ref("/quiet"), priority, "quiet");
        let before = queue.calls_until("/quiet");
        assert!(before <= calls, "{priority:?}: after {before} calls");
    }
}

#[test]
fn a_name_that_several_tenants_want_comes_with_the_first_turn_of_any() {
    let mut queue = TestQueue::new();
    queue.add_many(1_000, Priority::New, "busy");
    queue.add(&parameter_ref("/busy/00999"), Priority::New, "quiet");
    assert!(queue.calls_until("/busy/00999") <= 2);
    let rest: usize = std::iter::from_fn(|| Some(queue.take().len()).filter(|taken| *taken > 0)).sum();
    assert!(rest <= 990, "and is not called for again: {rest}");
}

#[test]
fn parts_of_a_failed_call_stay_separate_and_take_turns() {
    let mut queue = TestQueue::new();
    queue.add_many(10, Priority::New, "failed");
    let mut first = queue.take_names();
    let second = first.split_off(5);
    queue.add_many(10, Priority::New, "failed");
    queue.add_many(10, Priority::New, "other");
    queue.queue.add_part(first);
    queue.queue.add_part(second);
    assert!(queue.take()[0].starts_with("/other"), "the other tenant has not had a turn yet");
    let taken = [queue.take(), queue.take(), queue.take()];
    assert_eq!(taken.each_ref().map(Vec::len), [5, 5, 10], "parts go before other names of their tenant");
}

#[test]
fn a_requeued_name_keeps_its_claims() {
    let mut queue = TestQueue::new();
    queue.add(&parameter_ref("/old"), Priority::Sweep, "old");
    for name in queue.take_names() {
        queue.queue.add(name);
    }
    queue.add_many(100, Priority::New, "new");
    assert!(queue.calls_until("/old") <= 4);
}
