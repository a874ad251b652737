//! Random histories: in the end every object knows the state of its parameters. The store itself refuses calls that have
//! too many names or name a parameter twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use proptest::{prelude::*, sample::select};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    domain::{
        aws_error::AwsErrorKind,
        parameter::{name::ParameterRef, revision::Metadata},
        schedule::decide::Purpose,
    },
    parameters::{
        ReadMode, Reader, Reading, Snapshot,
        read_error::ReadError,
        testing::{
            FakeStore, Harness, labelled, name_without_selector, needed, object, parameter_ref, subscriber, version,
        },
    },
};

const STEPS: usize = 40;
const NAMES: [&str; 12] = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j", "/k", "/l"];
const OBJECTS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
const LABEL: &str = "prod";

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    Watch { object: &'static str, names: BTreeSet<ParameterRef>, interval: u64 },
    Forget(&'static str),
    Write(&'static str),
    WriteAndLabel(&'static str),
    Delete(&'static str),
    ToggleDenied(&'static str),
    ToggleBadKey(&'static str),
    ToggleLimit(usize),
    ToggleOutage,
    Read(&'static str),
    CancelReads,
    Crash,
    Wait(u64),
}

/// Returns names that objects watch. Fixed versions are checked once an hour only.
fn watched_name(with_fixed_versions: bool) -> impl Strategy<Value = ParameterRef> {
    let weight = u32::from(with_fixed_versions);
    prop_oneof![
        5 - weight => select(&NAMES[..]).prop_map(parameter_ref),
        1 => select(&NAMES[..]).prop_map(|name| labelled(name, LABEL)),
        weight => (select(&NAMES[..]), 1..3_i64).prop_map(|(name, number)| version(name, number)),
    ]
}

fn step(with_fixed_versions: bool) -> impl Strategy<Value = Step> {
    let name = || select(&NAMES[..]);
    let object = || select(&OBJECTS[..]);
    let names = prop::collection::btree_set(watched_name(with_fixed_versions), 1..9);
    let watch = (object(), names, select(&[60, 120, 300][..]));
    prop_oneof![
        12 => watch.prop_map(|(object, names, interval)| Step::Watch { object, names, interval }),
        6 => object().prop_map(Step::Forget),
        12 => name().prop_map(Step::Write),
        3 => name().prop_map(Step::WriteAndLabel),
        3 => name().prop_map(Step::Delete),
        3 => name().prop_map(Step::ToggleDenied),
        3 => name().prop_map(Step::ToggleBadKey),
        3 => (0..3_usize).prop_map(Step::ToggleLimit),
        3 => Just(Step::ToggleOutage),
        6 => object().prop_map(Step::Read),
        4 => Just(Step::CancelReads),
        2 => Just(Step::Crash),
        12 => (0..100_000_u64).prop_map(Step::Wait),
    ]
}

fn history(with_fixed_versions: bool) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(with_fixed_versions), STEPS)
}

/// What each object watches, and what it knew when it was last notified.
#[derive(Default)]
struct Objects {
    watched: BTreeMap<&'static str, (BTreeSet<ParameterRef>, u64)>,
    known: BTreeMap<String, String>,
}

struct World {
    harness: Harness,
    objects: Arc<Mutex<Objects>>,
    listener: JoinHandle<()>,
    reads: Vec<JoinHandle<Reading>>,
}

/// Returns as text what an object acts on.
fn known(reader: &Reader<FakeStore>, names: &BTreeSet<ParameterRef>) -> String {
    let mut text = String::new();
    match reader.snapshot(&needed(names)) {
        Snapshot::Incomplete => text.push_str("incomplete"),
        Snapshot::Complete { versions, errors, .. } => {
            for (parameter_ref, error) in &errors {
                let _ = writeln!(text, "{parameter_ref} {error}");
            }
            for (parameter_ref, metadata) in &versions {
                let _ = writeln!(text, "{parameter_ref} {:?}", metadata.as_ref().map(|m| (m.version, m.last_modified)));
            }
        }
    }
    text
}

/// Does what the controller does: takes a snapshot whenever an object is notified of a change.
fn listen(harness: &mut Harness, objects: &Arc<Mutex<Objects>>) -> JoinHandle<()> {
    let (_, nobody) = tokio::sync::mpsc::unbounded_channel();
    let mut changed = std::mem::replace(&mut harness.changed, nobody);
    let (reader, objects) = (Arc::downgrade(&harness.reader), Arc::clone(objects));
    tokio::spawn(async move {
        while let Some(subscriber) = changed.recv().await {
            let Some(reader) = reader.upgrade() else { return };
            let mut objects = objects.lock();
            let Some((names, _)) = objects.watched.get(subscriber.name.as_str()) else { continue };
            let known = known(&reader, names);
            objects.known.insert(subscriber.name.to_string(), known);
        }
    })
}

impl World {
    async fn new() -> Self {
        let mut harness = Harness::new(10).await;
        harness.store.state().latency = Duration::from_millis(20);
        NAMES[..8].iter().for_each(|name| harness.store.write(name));
        let objects = Arc::default();
        let listener = listen(&mut harness, &objects);
        Self { harness, objects, listener, reads: Vec::new() }
    }

    fn watched(&self) -> BTreeMap<&'static str, (BTreeSet<ParameterRef>, u64)> {
        self.objects.lock().watched.clone()
    }

    fn watch(&self, object: &'static str, names: &BTreeSet<ParameterRef>, interval: u64) {
        self.harness.watch(object, &names.iter().cloned().collect::<Vec<_>>(), interval, true);
        let mut objects = self.objects.lock();
        objects.watched.insert(object, (names.clone(), interval));
        objects.known.insert(object.to_owned(), known(&self.harness.reader, names));
    }

    async fn apply(&mut self, step: Step) {
        let store = &self.harness.store;
        match step {
            Step::Watch { object, names, interval } => self.watch(object, &names, interval),
            Step::Forget(object) => {
                self.harness.reader.forget(&subscriber(object));
                self.objects.lock().watched.remove(object);
            }
            Step::Write(name) => store.write(name),
            Step::WriteAndLabel(name) => {
                store.write(name);
                store.label(name, LABEL);
            }
            Step::Delete(name) => store.delete(name),
            Step::ToggleDenied(name) => toggle(&mut store.state().denied, name),
            Step::ToggleBadKey(name) => toggle(&mut store.state().bad_keys, name),
            Step::ToggleLimit(limit) => {
                let mut state = store.state();
                state.limit = if state.limit.is_none() { Some(limit) } else { None };
            }
            Step::ToggleOutage => {
                let mut state = store.state();
                state.outage = !state.outage;
            }
            Step::Read(object) => {
                if let Some((names, _)) = self.watched().get(object) {
                    self.reads.push(self.harness.read(object, &names.iter().cloned().collect::<Vec<_>>()));
                }
            }
            Step::CancelReads => self.reads.iter().for_each(JoinHandle::abort),
            Step::Crash => self.crash().await,
            Step::Wait(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
        }
    }

    /// Loses everything that was in memory.
    async fn crash(&mut self) {
        for read in self.reads.drain(..) {
            read.abort();
        }
        self.listener.abort();
        self.harness.restart().await;
        self.listener = listen(&mut self.harness, &self.objects);
        for (object, (names, interval)) in self.watched() {
            self.watch(object, &names, interval);
        }
    }

    /// Every read has ended, and its values are dropped with it.
    async fn check_values(&mut self) {
        let mut readings = Vec::new();
        for read in self.reads.drain(..) {
            let ended = timeout(Duration::from_secs(1), read).await;
            readings.extend(ended.expect("every read ends"));
        }
        let values = readings.iter().flat_map(|reading| reading.values.values()).map(Arc::as_ptr);
        let held = values.collect::<BTreeSet<*const SecretString>>().len();
        assert_eq!(self.harness.store.values_alive(), held, "values outlive their readings");
        drop(readings);
        assert_eq!(self.harness.store.values_alive(), 0, "values outlive their readings");
    }

    /// Every object knows the state of all its names, and was notified of it.
    fn check_known(&self) {
        for (object, (names, _)) in self.watched() {
            let Snapshot::Complete { versions, errors, .. } = self.harness.reader.snapshot(&needed(&names)) else {
                unreachable!("{object} never knows all of {names:?}");
            };
            for name in &names {
                self.check(name, versions.get(name).and_then(Option::as_ref), errors.get(name));
            }
            let was_known = self.objects.lock().known[object].clone();
            assert_eq!(was_known, known(&self.harness.reader, &names), "{object} was not notified");
        }
    }

    /// What is known of a name is its newest version, or the right error.
    fn check(&self, parameter_ref: &ParameterRef, found: Option<&Metadata>, error: Option<&ReadError>) {
        let name = name_without_selector(&parameter_ref.request_name());
        let is_denied = self.harness.store.state().denied.contains(&name);
        let newest = self.harness.store.newest(parameter_ref);
        let exists = self.harness.store.exists(&name);
        let is_right = match error {
            _ if is_denied => {
                matches!(error, Some(ReadError::Call { error, .. }) if error.kind == AwsErrorKind::AccessDenied)
            }
            None => newest.is_some() && found.map(|found| (found.version, found.last_modified)) == newest,
            Some(ReadError::NotFound) => !exists,
            Some(ReadError::VersionNotFound) => newest.is_none() && exists,
            Some(ReadError::Call { .. } | ReadError::TooMany(_)) => false,
        };
        assert!(is_right, "{parameter_ref} is {newest:?}, but {found:?} {error:?} is known");
    }

    /// A last read by every object finds the same, with values.
    async fn check_reads(&self) {
        for (object_name, (names, _)) in self.watched() {
            let (reads, object) = (needed(&names), object("shop", object_name));
            let reading = self.harness.reader.read(&reads, ReadMode::Decrypt, Purpose::FirstSync, &object).await;
            for parameter_ref in &names {
                self.check_read(parameter_ref, &reading);
            }
        }
        assert_eq!(self.harness.store.values_alive(), 0, "values outlive their readings");
    }

    /// Nothing is watched, planned or called for once the last object has gone, even if reads were in progress.
    async fn check_nothing_left(&self) {
        let reads = self.watched().into_iter().map(|(object, (names, _))| {
            let read = self.harness.read(object, &names.into_iter().collect::<Vec<_>>());
            self.harness.reader.forget(&subscriber(object));
            read
        });
        for read in reads.collect::<Vec<_>>() {
            read.await.expect("the read ends");
        }
        let (names, calls_per_second) = self.harness.reader.load();
        assert_eq!((self.harness.reader.watched(), names), ((0, 0), 0));
        assert!(calls_per_second == 0.0, "{calls_per_second}");
        self.harness.store.calls();
        sleep(Duration::from_secs(4_000)).await;
        assert!(self.harness.store.calls().is_empty(), "calls that nobody wants");
    }

    fn check_read(&self, parameter_ref: &ParameterRef, reading: &Reading) {
        let name = name_without_selector(&parameter_ref.request_name());
        let error = reading.errors.get(parameter_ref);
        if matches!(error, Some(ReadError::Call { error, .. }) if error.kind == AwsErrorKind::KeyUnavailable) {
            assert!(self.harness.store.state().bad_keys.contains(&name), "{parameter_ref} has a good key");
            return;
        }
        let found = reading.versions.get(parameter_ref).and_then(Option::as_ref);
        self.check(parameter_ref, found, error);
        let expected = found.map(|metadata| format!("{name}#{}", metadata.version));
        let value = reading.values.get(parameter_ref).map(|value| value.expose_secret().to_owned());
        assert_eq!(value, expected, "{parameter_ref}");
    }
}

fn toggle(names: &mut BTreeSet<String>, name: &str) {
    if !names.remove(name) {
        names.insert(name.to_owned());
    }
}

/// Plays a history, lets faults end, waits, and checks what everybody knows.
fn play(history: Vec<Step>, wait: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut world = World::new().await;
        for step in history {
            world.apply(step).await;
        }
        {
            let mut state = world.harness.store.state();
            (state.outage, state.limit) = (false, None);
        }
        sleep(wait).await;
        world.check_values().await;
        world.check_known();
        world.check_reads().await;
        world.check_nothing_left().await;
        world.listener.abort();
    });
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(175))]

    #[test]
    fn in_the_end_every_object_knows_the_state_of_its_parameters(history in history(false)) {
        // Longer than the longest interval.
        play(history, Duration::from_secs(400));
    }
}

proptest! {
    #![proptest_config(config(25))]

    #[test]
    fn in_the_end_every_object_knows_the_state_of_fixed_versions_too(history in history(true)) {
        // Longer than the interval of fixed versions.
        play(history, Duration::from_secs(3_700));
    }
}
