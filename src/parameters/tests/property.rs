//! Random histories: in the end everybody knows what is so. The store itself refuses calls that are too large or name a
//! parameter twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    domain::{
        audit::aws_error::AwsErrorKind,
        parameter::{name::ParameterRef, revision::Metadata},
        schedule::decide::Purpose,
    },
    parameters::{
        Known, Mode, ReadError, Reader, Reading,
        testing::{Bench, Store, base, labelled, needed, object, parameter_ref, subscriber, version},
    },
    random::Random,
};

const SEQUENCES: u64 = 200;
const STEPS: usize = 40;
const NAMES: [&str; 12] = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j", "/k", "/l"];
const OBJECTS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
const LABEL: &str = "prod";

impl Random {
    fn parameter_ref(&mut self, fixed: bool) -> ParameterRef {
        let name = self.of(&NAMES);
        match self.below(6) {
            0 => labelled(name, LABEL),
            1 if fixed => version(name, 1 + i64::try_from(self.below(2)).expect("small")),
            _ => parameter_ref(name),
        }
    }
}

/// What each object wants, and what it knew when it was last told to look.
#[derive(Default)]
struct Objects {
    wants: BTreeMap<&'static str, (BTreeSet<ParameterRef>, u64)>,
    believes: BTreeMap<String, String>,
}

struct World {
    bench: Bench,
    /// Whether fixed versions are parameter_ref too, which are looked at but hourly.
    fixed: bool,
    random: Random,
    objects: Arc<Mutex<Objects>>,
    listener: JoinHandle<()>,
    reads: Vec<JoinHandle<Reading>>,
}

/// What an object acts on.
fn belief(reader: &Reader<Store>, wants: &BTreeSet<ParameterRef>) -> String {
    let mut text = String::new();
    match reader.known(&needed(wants)) {
        Known::Unseen => text.push_str("unseen"),
        Known::Seen { versions, errors, .. } => {
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

/// Does as the controller does: looks at what is known whenever an object is told of a change.
fn listen(bench: &mut Bench, objects: &Arc<Mutex<Objects>>) -> JoinHandle<()> {
    let (_, nobody) = tokio::sync::mpsc::unbounded_channel();
    let mut changed = std::mem::replace(&mut bench.changed, nobody);
    let (reader, objects) = (Arc::downgrade(&bench.reader), Arc::clone(objects));
    tokio::spawn(async move {
        while let Some((_, name)) = changed.recv().await {
            let Some(reader) = reader.upgrade() else { return };
            let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((wants, _)) = objects.wants.get(name.as_str()) else { continue };
            let believes = belief(&reader, wants);
            objects.believes.insert(name, believes);
        }
    })
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut bench = Bench::new(10).await;
        bench.store.state().latency = Duration::from_millis(20);
        NAMES[..8].iter().for_each(|name| bench.store.write(name));
        let objects = Arc::default();
        let listener = listen(&mut bench, &objects);
        let random = Random::new(seed);
        Self { bench, fixed: seed.is_multiple_of(8), random, objects, listener, reads: Vec::new() }
    }

    fn wants(&self) -> BTreeMap<&'static str, (BTreeSet<ParameterRef>, u64)> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).wants.clone()
    }

    fn subscribe(&self, name: &'static str, wants: &BTreeSet<ParameterRef>, interval: u64) {
        let names: Vec<_> = wants.iter().cloned().collect();
        self.bench.watch(name, &names, interval, true);
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.wants.insert(name, (wants.clone(), interval));
        objects.believes.insert(name.to_owned(), belief(&self.bench.reader, wants));
    }

    async fn step(&mut self) {
        let name = self.random.of(&NAMES);
        let object = self.random.of(&OBJECTS);
        match self.random.below(12) {
            0 | 1 => {
                let count = 1 + self.random.below(8);
                let wants = (0..count).map(|_| self.random.parameter_ref(self.fixed)).collect();
                let interval = self.random.of(&[60, 120, 300]);
                self.subscribe(object, &wants, interval);
            }
            2 => {
                self.bench.reader.forget(&subscriber(object));
                self.objects.lock().unwrap_or_else(PoisonError::into_inner).wants.remove(object);
            }
            3 | 4 => self.bench.store.write(name),
            5 if self.random.below(2) == 0 => self.bench.store.delete(name),
            5 => {
                self.bench.store.write(name);
                self.bench.store.label(name, LABEL);
            }
            6 | 7 => self.fault(name),
            8 => self.start_read(object),
            9 if self.random.below(3) == 0 => self.crash().await,
            9 => self.reads.iter().for_each(JoinHandle::abort),
            _ => sleep(Duration::from_millis(self.random.below(100_000))).await,
        }
    }

    fn fault(&mut self, name: &str) {
        let (kind, limit) = (self.random.below(4), usize::try_from(self.random.below(3)).expect("small"));
        let mut state = self.bench.store.state();
        match kind {
            0 => {
                if !state.denied.remove(name) {
                    state.denied.insert(name.to_owned());
                }
            }
            1 => {
                if !state.bad_keys.remove(name) {
                    state.bad_keys.insert(name.to_owned());
                }
            }
            2 => state.limit = if state.limit.is_none() { Some(limit) } else { None },
            _ => state.outage = !state.outage,
        }
    }

    fn start_read(&mut self, object: &'static str) {
        if let Some((wants, _)) = self.wants().get(object) {
            let names: Vec<_> = wants.iter().cloned().collect();
            self.reads.push(self.bench.read(object, &names));
        }
    }

    /// All that was in memory goes.
    async fn crash(&mut self) {
        for read in self.reads.drain(..) {
            read.abort();
        }
        self.listener.abort();
        self.bench.restart().await;
        self.listener = listen(&mut self.bench, &self.objects);
        for (name, (wants, interval)) in self.wants() {
            self.subscribe(name, &wants, interval);
        }
    }

    /// Everybody's reads end, and their values go with them.
    async fn check_values(&mut self, seed: u64) {
        let mut readings = Vec::new();
        for read in self.reads.drain(..) {
            let ended = timeout(Duration::from_secs(1), read).await;
            readings.extend(ended.unwrap_or_else(|_| unreachable!("{seed}: a read never ends")));
        }
        let values = readings.iter().flat_map(|reading| reading.values.values()).map(Arc::as_ptr);
        let held = values.collect::<BTreeSet<*const SecretString>>().len();
        assert_eq!(self.bench.store.values_alive(), held, "{seed}: values outlive their readings");
        drop(readings);
        assert_eq!(self.bench.store.values_alive(), 0, "{seed}: values outlive their readings");
    }

    fn check_known(&self, seed: u64) {
        for (name, (wants, _)) in self.wants() {
            let reads = needed(&wants);
            let Known::Seen { versions, errors, .. } = self.bench.reader.known(&reads) else {
                unreachable!("{seed}: {name} never knows all of {wants:?}");
            };
            for parameter_ref in &wants {
                self.check(
                    seed,
                    parameter_ref,
                    versions.get(parameter_ref).and_then(Option::as_ref),
                    errors.get(parameter_ref),
                );
            }
            let believes = self.objects.lock().unwrap_or_else(PoisonError::into_inner).believes[name].clone();
            assert_eq!(believes, belief(&self.bench.reader, &wants), "{seed}: {name} was not told");
        }
    }

    /// Either what is newest, or the right error.
    fn check(&self, seed: u64, parameter_ref: &ParameterRef, found: Option<&Metadata>, error: Option<&ReadError>) {
        let name = base(&parameter_ref.request_name());
        let is_denied = self.bench.store.state().denied.contains(&name);
        let newest = self.bench.store.newest(parameter_ref);
        let exists = self.bench.store.exists(&name);
        let is_right = match error {
            _ if is_denied => {
                matches!(error, Some(ReadError::Call { error, .. }) if error.kind == AwsErrorKind::AccessDenied)
            }
            None => newest.is_some() && found.map(|found| (found.version, found.last_modified)) == newest,
            Some(ReadError::NotFound) => !exists,
            Some(ReadError::VersionNotFound) => newest.is_none() && exists,
            Some(ReadError::Call { .. }) => false,
        };
        assert!(is_right, "{seed}: {parameter_ref} is {newest:?}, but {found:?} {error:?} is known");
    }

    /// A last read by everybody tells the same, with values.
    async fn check_reads(&self, seed: u64) {
        for (name, (wants, _)) in self.wants() {
            let reading =
                self.bench.reader.read(&needed(&wants), Mode::Decrypt, Purpose::FirstSync, &object("shop", name)).await;
            for parameter_ref in &wants {
                let name = base(&parameter_ref.request_name());
                let error = reading.errors.get(parameter_ref);
                let is_bad_key = self.bench.store.state().bad_keys.contains(&name);
                if matches!(error, Some(ReadError::Call { error, .. }) if error.kind == AwsErrorKind::KeyUnavailable) {
                    assert!(is_bad_key, "{seed}: {parameter_ref} has a good key");
                    continue;
                }
                let found = reading.versions.get(parameter_ref).and_then(Option::as_ref);
                self.check(seed, parameter_ref, found, error);
                let expected = found.map(|metadata| format!("{name}#{}", metadata.version));
                let value = reading.values.get(parameter_ref).map(|value| value.expose_secret().to_owned());
                assert_eq!(value, expected, "{seed}: {parameter_ref}");
            }
        }
        assert_eq!(self.bench.store.values_alive(), 0, "{seed}: values outlive their readings");
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_end_everybody_knows_what_is_so() {
    for seed in 1..=SEQUENCES {
        let mut world = World::new(seed).await;
        for _ in 0..STEPS {
            world.step().await;
        }
        {
            let mut state = world.bench.store.state();
            (state.outage, state.limit) = (false, None);
        }
        // Longer than the longest interval.
        sleep(Duration::from_secs(if world.fixed { 3_700 } else { 400 })).await;
        world.check_values(seed).await;
        world.check_known(seed);
        world.check_reads(seed).await;
        world.listener.abort();
    }
}
