//! What goes into a call, and whose turn it is.

use std::time::Duration;

use tokio::{
    sync::oneshot::{Receiver, channel},
    time::Instant,
};

use crate::{
    domain::parameter::name::ParameterRef,
    parameters::{
        Priority,
        batch::{
            ReadReply,
            queue::{QueuedName, RequestQueue, Waiter},
        },
        testing::{labelled, parameter_ref, version},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// A line with a clock of its own. Waiters stay until they are dropped here.
struct Line {
    pending: RequestQueue,
    start: Instant,
    now: Duration,
    waiters: Vec<Receiver<ReadReply>>,
}

impl Line {
    fn new() -> Self {
        Self { pending: RequestQueue::default(), start: Instant::now(), now: Duration::ZERO, waiters: Vec::new() }
    }

    fn add(&mut self, parameter_ref: &ParameterRef, priority: Priority, tenant: &str) {
        let (reply, waiter) = channel();
        self.waiters.push(waiter);
        let waiter = Waiter { reply, objects: Vec::new(), optional: false, since: self.start + self.now, detour: None };
        self.pending.add(QueuedName::new(parameter_ref.clone(), waiter, priority, tenant));
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

    fn take_items(&mut self) -> Vec<QueuedName> {
        self.pending.take(self.start + self.now)
    }

    fn take(&mut self) -> Vec<String> {
        self.take_items().iter().map(|item| item.parameter_ref.request_name()).collect()
    }

    /// How many calls it takes, a tenth of a second apart, until one asks for `name`.
    fn calls_until(&mut self, name: &str) -> usize {
        let mut calls = 0;
        loop {
            calls += 1;
            self.now += SECOND / 10;
            let batch = self.take();
            assert!(!batch.is_empty(), "{name} is never asked for");
            if batch.iter().any(|asked| asked == name) {
                return calls;
            }
        }
    }
}

#[test]
fn who_wants_the_same_joins() {
    let mut line = Line::new();
    for name in ["/a", "a", "arn:aws:ssm:eu-central-1:111122223333:parameter/a"] {
        line.add(&parameter_ref(name), Priority::New, "shop");
    }
    let batch = line.take_items();
    assert_eq!(batch.iter().map(|item| item.waiters.len()).collect::<Vec<_>>(), [3]);
    assert!(line.take_items().is_empty());
}

#[test]
fn joining_never_sets_back_and_may_bring_forward() {
    let mut line = Line::new();
    line.add_many(100, Priority::Changed, "shop");
    for _ in 0..3 {
        line.add(&parameter_ref("/shop/00000"), Priority::Changed, "shop");
        line.add(&parameter_ref("/shop/00001"), Priority::Retry, "shop");
    }
    line.add(&parameter_ref("/shop/00099"), Priority::Changed, "late");
    line.add(&parameter_ref("/shop/00098"), Priority::New, "shop");
    let batch = line.take();
    assert_eq!(batch[0], "/shop/00098", "as urgent as who is in the greatest hurry");
    for name in ["/shop/00000", "/shop/00001", "/shop/00099"] {
        assert!(batch.iter().any(|asked| asked == name), "{name} in {batch:?}");
    }
    let rest: usize = std::iter::from_fn(|| Some(line.take().len()).filter(|taken| *taken > 0)).sum();
    assert_eq!(rest, 90, "each once");
}

#[test]
fn selections_of_one_parameter_go_separately() {
    let mut line = Line::new();
    for parameter_ref in [parameter_ref("/a"), version("/a", 1), labelled("/a", "prod"), parameter_ref("/b")] {
        line.add(&parameter_ref, Priority::New, "shop");
    }
    assert_eq!([line.take(), line.take(), line.take()], [vec!["/a", "/b"], vec!["/a:1"], vec!["/a:prod"]]);
}

#[test]
fn who_gave_up_leaves() {
    let mut line = Line::new();
    for name in ["/a", "/b", "/b"] {
        line.add(&parameter_ref(name), Priority::New, "shop");
    }
    line.waiters.truncate(2);
    line.waiters.remove(0);
    let batch = line.take_items();
    assert_eq!(batch.len(), 1);
    assert_eq!((batch[0].parameter_ref.request_name().as_str(), batch[0].waiters.len()), ("/b", 1));
    line.pending.add_part(batch);
    line.waiters.clear();
    assert!(line.take().is_empty(), "parts of failed calls too");
}

#[test]
fn a_name_set_apart_goes_alone() {
    let mut line = Line::new();
    line.pending.set_apart(&parameter_ref("/b"), true);
    for names in [["/a", "/b", "/c"], ["/b", "/a", "/c"]] {
        line.add_all(&names);
        let batches = [line.take(), line.take()];
        assert!(batches.contains(&vec!["/b".to_owned()]), "{batches:?}");
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 3, "{batches:?}");
    }
    line.pending.set_apart(&parameter_ref("/b"), false);
    line.add_all(&["/a", "/b", "/c"]);
    assert_eq!(line.take(), ["/a", "/b", "/c"]);
}

#[test]
fn never_more_than_ten() {
    let mut line = Line::new();
    line.add_many(25, Priority::New, "shop");
    assert_eq!([(); 4].map(|()| line.take().len()), [10, 10, 5, 0]);
}

#[test]
fn a_tenant_with_many_names_waits_for_itself() {
    let mut line = Line::new();
    line.add_many(10_000, Priority::New, "big");
    assert_eq!(line.take().len(), 10);
    line.add(&parameter_ref("/late"), Priority::New, "late");
    assert!(line.calls_until("/late") <= 2);
}

#[test]
fn names_that_fit_into_no_call_together_delay_nobody_else() {
    let mut line = Line::new();
    line.add(&parameter_ref("/first"), Priority::New, "big");
    for number in 1..1_000 {
        line.add(&version("/same", number), Priority::New, "big");
        let poisoned = parameter_ref(&format!("/poisoned/{number}"));
        line.pending.set_apart(&poisoned, true);
        line.add(&poisoned, Priority::New, "big");
    }
    line.take();
    // One that cannot ride along in another's turn.
    line.pending.set_apart(&parameter_ref("/late"), true);
    line.add(&parameter_ref("/late"), Priority::New, "late");
    assert!(line.calls_until("/late") <= 3);
}

#[test]
fn the_more_urgent_goes_first_until_the_other_has_waited() {
    let mut line = Line::new();
    line.add_many(10, Priority::Sweep, "old");
    line.now = 29 * SECOND;
    line.add_many(10, Priority::New, "new");
    assert!(line.take()[0].starts_with("/new"));
    line.now = 31 * SECOND;
    line.add_many(10, Priority::New, "new");
    assert!(line.take()[0].starts_with("/old"), "31 seconds make up for three steps");
}

#[test]
fn a_long_line_of_old_items_does_not_hold_up_what_is_new() {
    let mut line = Line::new();
    line.add_many(10_000, Priority::Sweep, "old");
    line.now = 60 * SECOND;
    assert!(line.take()[0].starts_with("/old"));
    line.add(&parameter_ref("/new"), Priority::New, "new");
    assert!(line.calls_until("/new") <= 2);
}

#[test]
fn nothing_starves() {
    let mut line = Line::new();
    line.add_many(10_000, Priority::New, "new");
    line.add_many(11, Priority::Retry, "low");
    let first = line.calls_until("/low/00000");
    assert!((490..520).contains(&first), "waiting makes up for five steps in 50 s, not in {first} calls");
    assert!(line.calls_until("/low/00010") <= 53, "and then it has its turns");
}

#[test]
fn parts_of_a_failed_call_go_first_and_as_they_are() {
    let mut line = Line::new();
    line.add_many(10, Priority::New, "failed");
    let mut first = line.take_items();
    let second = first.split_off(5);
    line.add_many(10, Priority::New, "other");
    line.pending.add_part(first);
    line.pending.add_part(second);
    let taken = [line.take(), line.take(), line.take()];
    assert_eq!(taken.each_ref().map(Vec::len), [5, 5, 10]);
    assert!(taken[..2].iter().flatten().all(|name| name.starts_with("/failed")), "{taken:?}");
}

#[test]
fn adding_again_keeps_the_age() {
    let mut line = Line::new();
    line.add(&parameter_ref("/old"), Priority::Sweep, "");
    line.now = 31 * SECOND;
    for item in line.take_items() {
        line.pending.add(item);
    }
    line.add_many(100, Priority::New, "new");
    assert!(line.calls_until("/old") <= 31, "its three seconds between turns, not thirty more");
}
