//! Elections among several processes whose requests are delayed, lost and answered late, which pause, crash and release, and
//! whose clocks begin anywhere and run at different rates: never may two of them write at one time.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_oneof,
};

use super::check;
use crate::domain::lease::{
    elector::{Elector, Step},
    record::{Lease, Record},
    timing::Timing,
};

const TIMING: Timing = Timing { duration: Duration::from_secs(12) };
const PROCESSES: usize = 3;

/// What happens next to a process.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// It does what it wants to, and is answered at once.
    Proceeds,
    /// It does what it wants to, unless it waits for an answer.
    Acts,
    /// Its request arrives at the API server.
    Arrives,
    /// The answer arrives.
    IsAnswered,
    /// It gives up waiting for the answer. The request may still arrive.
    GivesUp,
    /// A request that it gave up arrives.
    ArrivesLate,
    /// It is shown the Lease by its watch.
    Watches,
    /// It releases the Lease and ends. Another one starts in its place.
    Releases,
    /// It ends at once. Another one starts in its place.
    Crashes,
}

/// The API server: the Lease with its version.
#[derive(Default)]
struct Server {
    version: u64,
    record: Option<Record>,
}

impl Server {
    fn lease(&self) -> Option<Lease> {
        self.record.clone().map(|record| Lease { version: self.version.to_string(), record })
    }

    /// Carries a request out.
    fn take(&mut self, step: &Step) -> Answer {
        let (record, is_current) = match step {
            Step::Look | Step::Wait(_) => return Answer::Seen(self.lease()),
            Step::Create(record) => (record, self.record.is_none()),
            Step::Replace(Lease { version, record }) => (record, *version == self.version.to_string()),
        };
        if !is_current {
            return Answer::Conflict;
        }
        // What changes nothing has no new version (Kubernetes API conventions, concurrency control).
        self.version += u64::from(self.record.as_ref() != Some(record));
        self.record = Some(record.clone());
        Answer::Written(Lease { version: self.version.to_string(), record: record.clone() })
    }
}

#[derive(Clone)]
enum Answer {
    Seen(Option<Lease>),
    Written(Lease),
    Conflict,
}

/// A request under way.
struct Request {
    step: Step,
    sent_at: Duration,
    answer: Option<Answer>,
}

struct Process {
    elector: Elector,
    request: Option<Request>,
    given_up: Vec<Step>,
    /// What its clock showed at the beginning, and its rate in per cent.
    clock: (Duration, u32),
    /// Its clock on the wall, which stands still.
    wall: Timestamp,
}

impl Process {
    fn new(identity: String, place: usize) -> Self {
        let place = u32::try_from(place).expect("few");
        Self {
            elector: Elector::new(identity, TIMING),
            request: None,
            given_up: Vec::new(),
            clock: (Duration::from_secs(1_000) * place, 95 + 5 * place),
            wall: Timestamp::from_second(i64::from(place) * 1_000_000).expect("a time"),
        }
    }

    fn now(&self, time: Duration) -> Duration {
        self.clock.0 + time * self.clock.1 / 100
    }

    fn may_write(&self, time: Duration) -> bool {
        self.elector.writes_until().is_some_and(|until| self.now(time) < until)
    }

    fn act(&mut self, time: Duration) {
        let sent_at = self.now(time);
        let step = self.elector.next(sent_at, self.wall);
        if self.request.is_none() && !matches!(step, Step::Wait(_)) {
            self.request = Some(Request { step, sent_at, answer: None });
        }
    }

    fn arrive(&mut self, server: &mut Server) {
        if let Some(request) = self.request.as_mut().filter(|request| request.answer.is_none()) {
            request.answer = Some(server.take(&request.step));
        }
    }

    fn be_answered(&mut self, time: Duration) {
        let now = self.now(time);
        let Some(Request { sent_at, answer: Some(answer), .. }) = self.request.take_if(|r| r.answer.is_some()) else {
            return;
        };
        match answer {
            Answer::Seen(lease) => self.elector.saw(lease, now),
            Answer::Written(lease) => self.elector.wrote(lease, sent_at, now),
            Answer::Conflict => self.elector.look_again(),
        }
    }

    fn give_up(&mut self) {
        if let Some(request) = self.request.take() {
            self.elector.look_again();
            self.given_up.extend(Some(request.step).filter(|_| request.answer.is_none()));
        }
    }
}

struct World {
    server: Server,
    processes: Vec<Process>,
    started: usize,
    time: Duration,
    led: Vec<String>,
}

impl World {
    fn new() -> Self {
        let processes = (0..PROCESSES).map(|place| Process::new(place.to_string(), place)).collect();
        Self { server: Server::default(), processes, started: PROCESSES, time: Duration::ZERO, led: Vec::new() }
    }

    fn restart(&mut self, place: usize) {
        self.processes[place] = Process::new(self.started.to_string(), place);
        self.started += 1;
    }

    fn happen(&mut self, place: usize, happening: Happening, after: Duration) {
        self.time += after;
        let (time, server) = (self.time, &mut self.server);
        let process = &mut self.processes[place];
        match happening {
            Happening::Proceeds => {
                process.act(time);
                process.arrive(server);
                process.be_answered(time);
            }
            Happening::Acts => process.act(time),
            Happening::Arrives => process.arrive(server),
            Happening::IsAnswered => process.be_answered(time),
            Happening::GivesUp => process.give_up(),
            Happening::ArrivesLate => {
                if let Some(step) = process.given_up.pop() {
                    server.take(&step);
                }
            }
            // Only while it does not lead.
            Happening::Watches if process.elector.writes_until().is_none() => {
                let now = process.now(time);
                process.elector.saw(server.lease(), now);
            }
            Happening::Watches => {}
            Happening::Releases => {
                if let Some(lease) = process.elector.release(process.wall) {
                    server.take(&Step::Replace(lease));
                }
                self.restart(place);
            }
            Happening::Crashes => self.restart(place),
        }
        let leaders: Vec<_> = self.processes.iter().filter(|process| process.may_write(time)).collect();
        assert!(leaders.len() <= 1, "{} processes may write at {time:?}", leaders.len());
        if !leaders.is_empty()
            && let Some(holder) = self.server.record.as_ref().and_then(|record| record.holder.clone())
            && self.led.last() != Some(&holder)
        {
            self.led.push(holder);
        }
    }
}

fn happenings() -> impl Strategy<Value = Vec<(usize, Happening, Duration)>> {
    use Happening::{Acts, Arrives, ArrivesLate, Crashes, GivesUp, IsAnswered, Proceeds, Releases, Watches};
    let happening = prop_oneof![
        30 => Just(Proceeds), 20 => Just(Acts), 20 => Just(Arrives), 20 => Just(IsAnswered), 5 => Just(GivesUp),
        5 => Just(ArrivesLate), 5 => Just(Watches), 2 => Just(Releases), 1 => Just(Crashes),
    ];
    let after = prop_oneof![8 => 0_u64..200, 3 => 0_u64..4_000, 1 => 0_u64..15_000].prop_map(Duration::from_millis);
    vec((0..PROCESSES, happening, after), 0..150)
}

#[test]
fn never_may_two_processes_write_at_one_time() {
    check(1_000, happenings(), |happenings| {
        let mut world = World::new();
        for (place, happening, after) in happenings {
            world.happen(place, happening, after);
        }
    });
}

/// The property would hold for processes that never lead, too.
#[test]
fn leaders_change_in_this_model() {
    let changes = std::cell::Cell::new(0);
    check(200, happenings(), |happenings| {
        let mut world = World::new();
        for (place, happening, after) in happenings {
            world.happen(place, happening, after);
        }
        changes.set(changes.get() + world.led.len());
    });
    assert!(changes.get() > 250, "only {} leaders in 200 worlds", changes.get());
}
