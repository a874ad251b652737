//! Reads the values of an object's parameters.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::oneshot::Receiver,
    time::{Instant, sleep},
};

use crate::domain::{
    audit::{Access, ObjectRef},
    parameter::name::ParameterRef,
    plan::types::{Lookups, Reads},
    schedule::decide::Purpose,
};
use crate::parameters::{
    batch::requests::{ReadReply, ReadRequest},
    cache::observation::Observation,
    port::{ParameterApi, ReadMode},
    quota::{claim::Claim, priority::Priority},
    read_error::{ReadError, service_failure},
    reader::Reader,
    reading::{Reading, own_accesses},
};

/// Delays before what AWS answered with an older version than before is read again.
///
/// In total more than the time after which a label that was moved back is believed.
const STALE_DELAYS: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

impl<A: ParameterApi> Reader<A> {
    /// Reads and decrypts parameters. What AWS answers with an older version than one before is read again, since a
    /// replica of AWS may be behind for a moment.
    pub(crate) async fn read(
        &self,
        reads: &Reads<'_>,
        mode: ReadMode,
        purpose: Purpose,
        object: &ObjectRef,
    ) -> Reading {
        let (mut reading, mut accesses) = (Reading::default(), Vec::<Arc<Access>>::new());
        // A call that began after a change was observed returns the changed value, whoever it was made for.
        let changed_at = || self.changed_at(reads, &Lookups::default());
        let mut not_before = if purpose == Purpose::ParameterChanged { changed_at() } else { None };
        let mut names: Vec<_> = reads.keys().copied().collect();
        for delay in STALE_DELAYS.into_iter().map(Some).chain([None]) {
            let request = |name: &ParameterRef| self.request(name, reads, (mode, purpose), object, not_before);
            let requested: Vec<_> = names.into_iter().map(|name| (name, request(name))).collect();
            names = self.collect(requested, &mut reading, &mut accesses).await;
            match delay.filter(|_| !names.is_empty()) {
                Some(delay) => sleep(delay).await,
                None => break,
            }
            not_before = None;
        }
        for name in names {
            let error = service_failure("AWS answers with an older version than before".to_owned());
            reading.errors.insert(name.clone(), ReadError::of_call(error));
        }
        reading.accesses = own_accesses(accesses, reads);
        reading
    }

    fn request(
        &self,
        name: &ParameterRef,
        reads: &Reads<'_>,
        (mode, purpose): (ReadMode, Purpose),
        object: &ObjectRef,
        not_before: Option<Instant>,
    ) -> Receiver<ReadReply> {
        self.batcher.request(ReadRequest {
            parameter_ref: name.clone(),
            mode,
            optional: reads.get(name).is_some_and(|read| read.optional),
            claims: Claim::of_objects(Priority::of(purpose), [object]),
            objects: vec![object.with_purpose(purpose)],
            not_before,
            changed_at: self.informer.changed_at(std::iter::once(name), &BTreeSet::new()),
        })
    }

    /// Waits for replies, and adds them to a reading. Returns the names whose reply was stale.
    async fn collect<'n>(
        &self,
        requested: Vec<(&'n ParameterRef, Receiver<ReadReply>)>,
        reading: &mut Reading,
        accesses: &mut Vec<Arc<Access>>,
    ) -> Vec<&'n ParameterRef> {
        let mut stale = Vec::new();
        let address = |access: &Arc<Access>| Arc::as_ptr(access).addr();
        let mut known: HashSet<_> = accesses.iter().map(address).collect();
        for (name, reply) in requested {
            let Ok(reply) = reply.await else {
                reading.errors.insert(name.clone(), ReadError::interrupted());
                continue;
            };
            accesses.extend(reply.accesses.iter().filter(|access| known.insert(address(access))).cloned());
            if !self.add(reading, name, reply) {
                stale.push(name);
            }
        }
        stale
    }

    /// Adds a reply to a reading, and records what it says of the version. Reports false if the reply was stale.
    fn add(&self, reading: &mut Reading, parameter_ref: &ParameterRef, reply: ReadReply) -> bool {
        let ReadReply { result, mut accesses, fallback } = reply;
        let mut absent = |error| Observation { result: Err(error), access: accesses.pop() };
        match result {
            Ok(Some(parameter)) => {
                if !self.informer.record(parameter_ref, Observation::found(parameter.metadata())) {
                    return false;
                }
                self.informer.decrypted(parameter_ref, parameter.version, parameter.key.as_deref());
                if let Some(fallback) = fallback {
                    self.batcher.confirm_fallback(&parameter_ref.arn);
                    reading.fallbacks.insert(parameter_ref.clone(), fallback);
                }
                reading.versions.insert(parameter_ref.clone(), Some(parameter.metadata()));
                reading.keys.extend(parameter.key.as_deref().map(|key| (parameter_ref.clone(), key.into())));
                reading.values.extend(parameter.value.clone().map(|value| (parameter_ref.clone(), value)));
            }
            Ok(None) => {
                // The reply to an optional read does not say whether the parameter or its version is missing. A more
                // precise observation, made for another object, is kept.
                if !self.informer.is_absent(parameter_ref) {
                    self.informer.record(parameter_ref, absent(ReadError::NotFound));
                }
                reading.versions.insert(parameter_ref.clone(), None);
            }
            Err(error) => {
                // A version check would find the same absence. A denied decryption says nothing of the version.
                if error.is_absence() {
                    self.informer.record(parameter_ref, absent(error.clone()));
                }
                reading.errors.insert(parameter_ref.clone(), error);
            }
        }
        true
    }
}
