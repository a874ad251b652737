//! Reads, decrypts, and has the Secret written.

use std::{borrow::Cow, collections::BTreeSet, pin::pin, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::controller::secure_parameter::{
    Done, Pass, Passed, as_known,
    compare::{CONFIRM_ABSENCE, absent},
    write::{Applied, Permit},
};
use crate::{
    api::{
        Reason, SecureParameterStatus,
        status::{LastAccess, WrittenSecret, to_time},
    },
    controller::{
        secure_parameter::state::{SecondListing, SeenSecret},
        store::connections::StoreConnection,
    },
    domain::{
        Fault,
        access::read_authority::ReadAuthority,
        audit::to_seconds,
        parameter::{key::ParameterKeys, revision::source_revision},
        plan::plan::Plan,
        report::{
            event::{self, Event},
            status::{Found, SsmFallbacks, Written, troubles},
        },
        schedule::{
            decide::{Purpose, SecretState},
            restart::Write,
        },
        secret::render::{KmsPlaintexts, render},
    },
    parameters::{KmsDecryption, ReadMode, Reading},
};

/// How long a read may wait for its turn before the status says so: a little longer than the reader tries throttled calls
/// again, since what AWS itself says then is better.
const PATIENCE: Duration = Duration::from_secs(35);

impl Pass<'_> {
    /// Looks up what there is, as far as that is not known.
    async fn look_up<'p>(
        &mut self,
        session: &StoreConnection,
        plan: &'p Plan,
        bounds: &ReadAuthority<'_>,
        purpose: Purpose,
    ) -> Result<Cow<'p, Plan>, Fault> {
        let lookups = plan.lookups();
        if lookups.is_empty() {
            return Ok(Cow::Borrowed(plan));
        }
        // Where nobody polls, what is known may be old.
        let is_polled = self.object.spec.refresh_interval().is_some();
        let anew = purpose == Purpose::ForcedSync || !is_polled && purpose != Purpose::ParameterChanged;
        let (anew, object) = (self.is_second_listing_due() || anew, self.audited());
        let known = self.patiently(session, session.reader.lookup(&lookups, purpose, anew, &object)).await;
        self.resolve(session, plan, known, bounds)
    }

    /// Reads, decrypts and writes.
    pub(crate) async fn sync(
        &mut self,
        session: &StoreConnection,
        plan: &Plan,
        bounds: &ReadAuthority<'_>,
        purpose: Purpose,
        secret: SecretState,
    ) -> Result<Passed, Fault> {
        self.purpose = purpose;
        let name = self.object.secret_name();
        let _turn = self.context.secret_locks.lock(&self.namespace, name).await;
        let permit = match &self.memory.status.secret {
            // The Secret is as last written, and the write is pinned to it: there is nothing to judge. Whose keys are in
            // a Secret of others is looked at each time.
            Some(ours) if secret == SecretState::Intact && ours.name == name && !self.object.spec.merges() => {
                self.permit_again(ours)
            }
            _ => self.permit().await?,
        };
        if matches!(purpose, Purpose::SecretDrifted | Purpose::SecretMissing) && !self.memory.may_repair(Instant::now())
        {
            return Err(self.contested().await);
        }
        // Watched first, so that what is read need not be looked at again before its time.
        let interval = self.object.spec.refresh_interval();
        self.watch(session, &as_known(session, plan, bounds), interval, false);
        let plan = self.look_up(session, plan, bounds, purpose).await?;
        self.watch(session, &plan, interval, false);
        if self.awaits_second_listing(&plan, plan.reads().len()) {
            return Ok(Passed::Waiting(CONFIRM_ABSENCE, Reason::Progressing));
        }
        let (reads, object) = (plan.reads(), self.audited());
        let reading = self.patiently(session, session.reader.read(&reads, session.mode, purpose, &object)).await;
        let reading = self.settle(session, reading)?;
        if self.is_stale(&reads, &reading.versions)? {
            return Ok(Passed::Waiting(CONFIRM_ABSENCE, Reason::Progressing));
        }
        if secret != SecretState::Missing && self.awaits_confirmation(&reading.versions) {
            // Nothing of what the spec or the annotation asks for is done yet, so nothing is said either.
            return Ok(Passed::Waiting(CONFIRM_ABSENCE, Reason::Progressing));
        }
        if self.context.index.lock().name_of(&self.namespace, &self.uid).is_none() {
            // Deleted while AWS was asked: nothing is written any more.
            return Ok(Passed::Waiting(CONFIRM_ABSENCE, Reason::Progressing));
        }
        self.write_what_was_read(session, &plan, purpose, &reading, &permit).await
    }

    /// Has the Secret written, and sees to what it makes superfluous.
    async fn write_what_was_read(
        &mut self,
        session: &StoreConnection,
        plan: &Plan,
        purpose: Purpose,
        reading: &Reading,
        permit: &Permit,
    ) -> Result<Passed, Fault> {
        let name = self.object.secret_name();
        let revision = source_revision(&session.source, &reading.versions);
        self.is_repetition = self.memory.status.source_revision.as_ref() == Some(&revision)
            && self.memory.status.observed_generation == self.object.metadata.generation;
        let opened = self.open(session, plan, reading, purpose).await?;
        let applied = self.write(render(plan, &reading.values, &opened)?, permit).await?;
        if matches!(purpose, Purpose::SecretDrifted | Purpose::SecretMissing) {
            self.memory.repaired(Instant::now());
        }
        let former = self.memory.status.secret.clone();
        if let Some(former) = former.as_ref().filter(|former| former.name != name) {
            self.retire(former).await?;
        }
        // Of one that merges it was settled before the write.
        if !self.object.spec.merges() {
            self.settle_finalizer().await?;
        }
        Ok(Passed::Done(self.written(session, plan, purpose, reading, applied, former.as_ref())))
    }

    /// Waits for what AWS is asked. What waits for its turn for long says so meanwhile.
    async fn patiently<T>(&mut self, session: &StoreConnection, asked: impl Future<Output = T>) -> T {
        let mut asked = pin!(asked);
        if let Ok(answer) = timeout(PATIENCE, &mut asked).await {
            return answer;
        }
        let (scope, before) = (session.reader.scope(), self.memory.status.clone());
        let message = format!(
            "The read waits for its turn since {}: the operator asks account {} in region {} {:.1} times a second at most \
             at present; raise spec.quota of the store if AWS does not throttle.",
            to_seconds(self.now),
            scope.account,
            scope.region,
            session.reader.rate_limit().rate()
        );
        let fault = Fault::new(Reason::Throttled, message);
        let status = self.subject(&before).failed(&fault, self.now, self.object.spec.refresh_interval());
        // A note on the way, which need not be made up for.
        let _ = self.show(status).await;
        self.memory.unshown = None;
        asked.await
    }

    /// Has KMS decrypt what was encrypted by hand.
    async fn open(
        &mut self,
        session: &StoreConnection,
        plan: &Plan,
        reading: &Reading,
        purpose: Purpose,
    ) -> Result<KmsPlaintexts, Fault> {
        let object = self.audited().because(purpose);
        let KmsDecryption { plaintexts: opened, accesses, fault } =
            session.reader.kms_decrypt_all(plan, reading, &object).await;
        self.accesses.extend(accesses);
        fault.map_or(Ok(opened), Err)
    }

    /// What took the detour through Parameter Store, as far as that is known.
    pub(crate) fn detours(&self, session: &StoreConnection) -> Option<&SsmFallbacks> {
        static NONE: SsmFallbacks = SsmFallbacks::new();
        // Where Parameter Store is to decrypt, that is no detour.
        if session.mode == ReadMode::Ciphertext { self.memory.detours.as_ref() } else { Some(&NONE) }
    }

    /// Warnings about keys that are news to the status.
    pub(crate) fn key_events(&self, before: &SecureParameterStatus, keys: &ParameterKeys) -> Vec<Event> {
        let told = |trouble: &str| before.conditions.iter().any(|condition| condition.message.contains(trouble));
        let news = troubles(keys).filter(|(_, trouble)| !told(trouble));
        news.map(|(key, trouble)| event::of_key(&self.name, &self.uid, self.now.as_second(), key, &trouble)).collect()
    }

    fn written(
        &mut self,
        session: &StoreConnection,
        plan: &Plan,
        purpose: Purpose,
        reading: &Reading,
        Applied { facts, key_count }: Applied,
        former: Option<&WrittenSecret>,
    ) -> Done {
        let secret = WrittenSecret {
            name: self.object.secret_name().to_owned(),
            uid: facts.uid.clone(),
            resource_version: facts.resource_version.clone(),
            key_count: Some(i32::try_from(key_count).unwrap_or(i32::MAX)),
        };
        // Applying what is there already does not move the resource version, which others may have moved before.
        let known = self.memory.secret.as_ref().filter(|seen| seen.uid == secret.uid);
        let version = known.map(|seen| &seen.resource_version).or(former.map(|former| &former.resource_version));
        let changed = version != Some(&secret.resource_version);
        // What came before is older than the Secret as it is now, however long the read took.
        self.now = Timestamp::now();
        let before = self.memory.status.clone();
        let written = Written { secret, changed, access: self.last_access() };
        let revision = source_revision(&session.source, &reading.versions);
        let other_shape = match self.memory.data_shape {
            Some(shape) => shape != plan.data_shape,
            None => before.observed_generation != self.object.metadata.generation,
        };
        let write = Write {
            was_there: former.is_some_and(|former| former.name == written.secret.name),
            changed,
            other_sources: before.source_revision.as_ref() != Some(&revision),
            other_shape,
        };
        self.plan_restart(write, &written.secret);
        let keys = session.reader.keys(&reading.versions);
        let detours = reading.fallbacks.iter().map(|(wanted, detour)| (wanted.clone(), detour.to_string())).collect();
        let found = Found { versions: &reading.versions, keys: &keys, detours: Some(&detours) };
        let status = Box::new(self.subject(&before).written(written, found, revision));
        let repaired = matches!(purpose, Purpose::SecretDrifted | Purpose::SecretMissing) && changed;
        let mut events = self.key_events(&before, &keys);
        events.extend(repaired.then(|| self.repair_event(purpose, &facts)));
        self.memory.secret = Some(SeenSecret::of(facts));
        self.memory.shape = Some(plan.shape);
        self.memory.data_shape = Some(plan.data_shape);
        self.memory.second_listing = SecondListing::Unneeded;
        self.memory.absent = absent(&reading.versions);
        self.memory.detours = Some(detours);
        Done { status, events, wake: None }
    }

    /// Takes in what was read: remembers the calls, and turns errors into a fault.
    fn settle(&mut self, session: &StoreConnection, mut reading: Reading) -> Result<Reading, Fault> {
        self.accesses.append(&mut reading.accesses);
        match session.reader.fault(&reading.errors) {
            Some(fault) => Err(fault),
            None => Ok(reading),
        }
    }

    async fn contested(&self) -> Fault {
        let name = self.object.secret_name();
        let facts = self.context.secrets.metadata(&self.namespace, name, &self.manager).await.ok().flatten();
        // In a Secret of others, what they hold beside our keys is theirs.
        let ours = self.memory.secret.as_ref().filter(|_| self.object.spec.merges()).map(|seen| &seen.fields.ours);
        let disputed = |path: &String| ours.is_none_or(|ours| ours.contains(path));
        let foreign = facts.map(|facts| facts.fields.foreign).unwrap_or_default();
        let managers: BTreeSet<_> =
            foreign.into_iter().filter(|(path, _)| disputed(path)).map(|(_, manager)| manager).collect();
        let who = if managers.is_empty() {
            "Somebody".to_owned()
        } else {
            format!("Field manager {}", managers.into_iter().collect::<Vec<_>>().join(", "))
        };
        Fault::new(
            Reason::SecretContested,
            format!(
                "{who} keeps changing or deleting Secret {name}; stop it: it is restored three times a minute at most."
            ),
        )
    }

    fn last_access(&self) -> Option<LastAccess> {
        let access = self.accesses.iter().rev().find(|access| access.decrypting)?;
        Some(LastAccess {
            time: to_time(access.time),
            event_name: access.event_name.to_owned(),
            request_id: access.request_id.clone(),
            principal: self.principal.as_ref().map(|principal| principal.arn.clone()),
        })
    }
}
