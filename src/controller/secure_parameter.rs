//! Reconciles one `SecureParameter`: plan, decide, read, render, own, report.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::{Resource, ResourceExt, runtime::controller::Action};
use tokio::time::Instant;

use super::{
    context::{Context, new_id},
    index::StoreKey,
    ledger::{FailedRead, Memory, SeenSecret},
    locked,
    sessions::Session,
    write::{permit, retire, write},
};
use crate::{
    api::{
        ConditionStatus, Reason, SecureParameter, SecureParameterStatus,
        names::SYNC_ANNOTATION,
        status::{LastAccess, ResolvedStore, WrittenSecret, to_time},
    },
    domain::{
        Fault,
        audit::{ObjectRef, Principal, SecretWrite},
        backoff,
        decide::{Decision, Known, Purpose, SecretState, decide},
        event::{self, Access, Event},
        outcome::{Subject, Written},
        ownership::SecretFacts,
        plan::{Plan, plan},
        render::render,
        revision::{Versions, source_revision},
    },
    parameters::Reading,
};

/// How soon an absence of an optional parameter is confirmed.
const CONFIRM_ABSENCE: Duration = Duration::from_secs(5);

/// Brings one object up to date.
///
/// # Errors
/// If its status cannot be written.
pub async fn reconcile(object: Arc<SecureParameter>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let started = Instant::now();
    let namespace = object.namespace().unwrap_or_default();
    // Of what is going, or in a namespace that is going or not yet known, nothing is read and nothing is written.
    let Some(policy_namespace) = context.caches.namespace(&namespace) else {
        return Ok(Action::await_change());
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let mut pass = Pass::new(&object, &context, namespace);
    let (action, reason) = pass.run(&policy_namespace).await?;
    let Pass { memory, uid, .. } = pass;
    if locked(&context.index).contains(&uid) {
        context.ledger.remember(&uid, memory);
    }
    context.metrics.reconciled(reason, started.elapsed());
    Ok(action)
}

/// One reconcile of one object.
struct Pass<'a> {
    object: &'a SecureParameter,
    context: &'a Context,
    namespace: String,
    name: String,
    uid: String,
    store: ResolvedStore,
    memory: Memory,
    now: Timestamp,
    /// AWS calls made so far.
    accesses: Vec<Access>,
    principal: Option<Principal>,
    /// What a read in this pass rests on.
    rests_on: u64,
}

/// How a pass ended without a fault.
enum Passed {
    Done(Done),
    /// A failed read is not due again: everything stays as it is.
    NotDue(Duration, Reason),
}

/// How a pass ended well.
struct Done {
    status: SecureParameterStatus,
    event: Option<Event>,
    wake: Option<Duration>,
}

impl<'a> Pass<'a> {
    fn new(object: &'a SecureParameter, context: &'a Context, namespace: String) -> Self {
        let uid = object.uid().unwrap_or_default();
        let (kind, store) = object.spec.store();
        Self {
            object,
            context,
            namespace,
            name: object.name_any(),
            memory: context.ledger.recall(&uid, object.status.as_ref()),
            uid,
            store: ResolvedStore { kind, name: store.to_owned() },
            now: Timestamp::now(),
            accesses: Vec::new(),
            principal: None,
            rests_on: 0,
        }
    }

    async fn run(&mut self, namespace: &crate::domain::policy::Namespace) -> Result<(Action, Reason), kube::Error> {
        if self.object.spec.is_suspended() {
            let before = self.memory.status.clone();
            self.show(self.subject(&before).suspended()).await?;
            return Ok((Action::await_change(), Reason::Suspended));
        }
        if self.memory.status.conditions.is_empty() {
            let before = self.memory.status.clone();
            self.show(self.subject(&before).progressing()).await?;
        }
        match self.attempt(namespace).await {
            Ok(Passed::Done(done)) => self.succeed(done).await,
            Ok(Passed::NotDue(wait, reason)) => Ok((Action::requeue(wait), reason)),
            Err(fault) => self.fail(&fault).await,
        }
    }

    async fn attempt(&mut self, namespace: &crate::domain::policy::Namespace) -> Result<Passed, Fault> {
        let session = self.session()?;
        self.principal = Some(session.reader.principal().clone());
        let grant = session.grant(namespace).map_err(|problem| Fault::new(Reason::StoreNotReady, problem))?;
        let store = StoreKey::of(self.object).to_string();
        let plan = plan(&self.object.spec, session.reader.scope(), grant.as_ref(), &self.namespace, &store)?;
        let secret = self.secret_state(&plan).await?;
        let mut decision = decide(&self.known(&plan, secret));
        if decision == Decision::Nothing {
            let before = self.memory.status.clone();
            let wake = self.memory.probe_at.map(|at| at.saturating_duration_since(Instant::now()));
            return Ok(Passed::Done(Done { status: self.subject(&before).unchanged(), event: None, wake }));
        }
        if let Some(not_due) = self.failed_read(&session) {
            return Ok(not_due);
        }
        if decision == Decision::Probe {
            match self.probe(&session, &plan).await? {
                Probed::Same(done) => return Ok(Passed::Done(done)),
                Probed::Changed => decision = Decision::Decrypt(Purpose::ParameterChanged),
            }
        }
        let purpose = if let Decision::Decrypt(purpose) = decision { purpose } else { Purpose::ParameterChanged };
        self.sync(&session, &plan, purpose, secret).await.map(Passed::Done)
    }

    /// A read that failed is not repeated before its time just because the object was woken for another cause.
    fn failed_read(&mut self, session: &Session) -> Option<Passed> {
        let reader = Arc::as_ptr(&session.reader).addr();
        let mut hasher = DefaultHasher::new();
        (reader, self.object.metadata.generation, self.sync_token()).hash(&mut hasher);
        self.rests_on = hasher.finish();
        let failed = self.memory.failed_read.as_ref().filter(|failed| failed.rests_on == self.rests_on)?;
        let wait = failed.retry_at.checked_duration_since(Instant::now())?;
        Some(Passed::NotDue(wait, failed.reason))
    }

    fn session(&self) -> Result<Arc<Session>, Fault> {
        let store = StoreKey::of(self.object);
        match self.context.sessions.get(&store) {
            Some(session) => session.map_err(|fault| match fault.reason {
                reason if reason.is_outage() => fault,
                _ => Fault::new(Reason::StoreNotReady, format!("{store} is not ready: {}", fault.message)),
            }),
            None => Err(Fault::new(
                Reason::StoreNotFound,
                format!("{store} does not exist; create it, or name another in spec.storeRef."),
            )),
        }
    }

    fn known(&self, plan: &Plan, secret: SecretState) -> Known {
        let status = &self.memory.status;
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        let reason = ready.and_then(|ready| Reason::ALL.iter().find(|reason| reason.as_str() == ready.reason));
        let is_outage = reason.is_some_and(|reason| reason.is_outage());
        let is_ready = ready.is_some_and(|ready| ready.status == ConditionStatus::True);
        let interval = self.object.spec.refresh_interval();
        let due = match self.memory.probe_at {
            Some(at) => at <= Instant::now(),
            // Nothing is remembered after a restart: look once, unless the object asks not to be polled.
            None => interval.is_some(),
        };
        Known {
            synced_before: status.secret.is_some()
                && status.source_revision.is_some()
                && status.store.as_ref() == Some(&self.store),
            shape_changed: self.shape_changed(plan),
            sync_requested: self.sync_token().is_some_and(|sync| status.last_handled_sync.as_deref() != Some(sync)),
            secret,
            // An outage ends with a look at the versions, if the Secret is known to be what the spec asks for.
            failing: !is_ready
                && reason != Some(&Reason::Suspended)
                && !(is_outage && self.memory.shape == Some(plan.shape)),
            probe_due: due || is_outage,
        }
    }

    /// Whether the spec asks for another Secret than the one last written. After a restart the generation tells.
    fn shape_changed(&self, plan: &Plan) -> bool {
        match self.memory.shape {
            Some(shape) => shape != plan.shape,
            None => self.memory.status.observed_generation != self.object.metadata.generation,
        }
    }

    /// The Secret against what was last written. The cache suffices where it shows just that; else the API server is
    /// asked, since the cache may be late.
    async fn secret_state(&mut self, plan: &Plan) -> Result<SecretState, Fault> {
        let Some(recorded) = self.memory.status.secret.clone() else {
            return Ok(SecretState::Missing);
        };
        let reference = kube::runtime::reflector::ObjectRef::new(&recorded.name).within(&self.namespace);
        let seen = self.memory.secret.as_ref();
        let expected = seen.map_or(recorded.resource_version.as_str(), |seen| seen.resource_version.as_str());
        let cached = self.context.caches.secrets.get(&reference);
        if cached.is_some_and(|meta| meta.resource_version().as_deref() == Some(expected)) {
            return Ok(SecretState::Intact);
        }
        let facts = self.context.secrets.facts(&self.namespace, &recorded.name).await;
        let Some(facts) = facts.map_err(|error| super::write::write_failed(&recorded.name, &error))? else {
            return Ok(SecretState::Missing);
        };
        if self.is_intact(&facts, &recorded, plan) {
            self.memory.secret = Some(SeenSecret::of(facts));
            return Ok(SecretState::Intact);
        }
        Ok(SecretState::Drifted)
    }

    fn is_intact(&self, facts: &SecretFacts, recorded: &WrittenSecret, plan: &Plan) -> bool {
        if facts.uid != recorded.uid || facts.owner_uid.as_deref() != Some(&self.uid) {
            return false;
        }
        match &self.memory.secret {
            Some(seen) => seen.fields.ours == facts.fields.ours && seen.fields.foreign == facts.fields.foreign,
            None if facts.resource_version == recorded.resource_version => true,
            // After a restart, of a Secret that somebody touched meanwhile: nothing of ours may be missing or foreign.
            None => {
                let is_ours = |key: &String| facts.fields.ours.contains(&format!("data/{key}"));
                let required = plan.keys.iter().filter(|(_, source)| !source.optional);
                facts.fields.foreign.is_empty() && required.into_iter().all(|(key, _)| is_ours(key))
            }
        }
    }

    /// Looks at the versions without decryption.
    async fn probe(&mut self, session: &Session, plan: &Plan) -> Result<Probed, Fault> {
        let reading = session.reader.probe(&plan.reads(), &self.audited()).await;
        let versions = self.settle(session, reading)?.versions;
        let before = self.memory.status.clone();
        let revision = source_revision(&session.source, &versions);
        let secret = before.secret.as_ref().map(|secret| secret.name.as_str()).unwrap_or_default();
        if before.source_revision.as_deref() != Some(revision.as_str()) {
            if self.awaits_confirmation(&versions) {
                let status = self.subject(&before).unchanged();
                return Ok(Probed::Same(Done { status, event: None, wake: Some(CONFIRM_ABSENCE) }));
            }
            return Ok(Probed::Changed);
        }
        let status = self.subject(&before).verified(secret, plan, &versions);
        let wake = self.refreshed(&versions);
        self.memory.shape = Some(plan.shape);
        Ok(Probed::Same(Done { status, event: None, wake }))
    }

    /// Reads, decrypts and writes.
    async fn sync(
        &mut self,
        session: &Session,
        plan: &Plan,
        purpose: Purpose,
        secret: SecretState,
    ) -> Result<Done, Fault> {
        let name = self.object.secret_name();
        let _turn = self.context.secret_locks.lock(&self.namespace, name).await;
        let permit = permit(self.object, self.context).await?;
        if matches!(purpose, Purpose::SecretDrifted | Purpose::SecretMissing) && !self.memory.may_repair(Instant::now())
        {
            return Err(self.contested().await);
        }
        let reading = session.reader.read(&plan.reads(), purpose, &self.audited()).await;
        let reading = self.settle(session, reading)?;
        if secret != SecretState::Missing && self.awaits_confirmation(&reading.versions) {
            let before = self.memory.status.clone();
            let status = self.subject(&before).unchanged();
            return Ok(Done { status, event: None, wake: Some(CONFIRM_ABSENCE) });
        }
        let facts = write(self.object, render(plan, &reading.values)?, &permit, self.context).await?;
        let former = self.memory.status.secret.clone();
        self.audit_write("apply", Some(facts.resource_version.clone()));
        if let Some(former) = former.as_ref().filter(|former| former.name != name) {
            retire(self.object, former, self.context).await?;
            self.audit_write("retire", None);
        }
        Ok(self.written(session, plan, purpose, &reading.versions, facts, former.as_ref()))
    }

    fn written(
        &mut self,
        session: &Session,
        plan: &Plan,
        purpose: Purpose,
        versions: &Versions,
        facts: SecretFacts,
        former: Option<&WrittenSecret>,
    ) -> Done {
        let secret = WrittenSecret {
            name: self.object.secret_name().to_owned(),
            uid: facts.uid.clone(),
            resource_version: facts.resource_version.clone(),
        };
        // Applying what is there already does not move the resource version.
        let changed = former != Some(&secret);
        let before = self.memory.status.clone();
        let written = Written { secret, changed, access: self.last_access() };
        let revision = source_revision(&session.source, versions);
        let status = self.subject(&before).written(written, plan, versions, revision);
        let repaired = matches!(purpose, Purpose::SecretDrifted | Purpose::SecretMissing) && changed;
        let event = repaired.then(|| self.repair_event(purpose, &facts));
        self.memory.secret = Some(SeenSecret::of(facts));
        self.memory.shape = Some(plan.shape);
        let wake = self.refreshed(versions);
        Done { status, event, wake }
    }

    /// Takes in what was read: remembers the calls, and turns errors into a fault.
    fn settle(&mut self, session: &Session, mut reading: Reading) -> Result<Reading, Fault> {
        self.accesses.append(&mut reading.accesses);
        match session.reader.fault(&reading) {
            Some(fault) => Err(fault),
            None => Ok(reading),
        }
    }

    /// Whether optional parameters are newly absent. A key leaves the Secret only after two looks in a row found its
    /// parameter absent.
    fn awaits_confirmation(&mut self, versions: &Versions) -> bool {
        let synced_before = self.memory.status.source_revision.is_some();
        let absent = absent(versions);
        let news = absent.iter().any(|wanted| !self.memory.absent.contains(wanted));
        self.memory.absent = absent;
        synced_before && news
    }

    /// Notes that the versions were just seen. Answers with when to look again.
    fn refreshed(&mut self, versions: &Versions) -> Option<Duration> {
        self.memory.absent = absent(versions);
        let wake = backoff::after_success(self.object.spec.refresh_interval(), &self.uid);
        self.memory.probe_at = wake.map(|wake| Instant::now() + wake);
        wake
    }

    async fn contested(&self) -> Fault {
        let name = self.object.secret_name();
        let facts = self.context.secrets.facts(&self.namespace, name).await.ok().flatten();
        let managers = facts.map(|facts| facts.fields.managers).unwrap_or_default();
        let who = if managers.is_empty() {
            "Somebody".to_owned()
        } else {
            format!("Field manager {}", managers.into_iter().collect::<Vec<_>>().join(", "))
        };
        Fault::new(
            Reason::SecretContested,
            format!(
                "{who} keeps changing Secret {name}; stop it, the operator goes on to restore the Secret at longer intervals."
            ),
        )
    }

    async fn succeed(&mut self, done: Done) -> Result<(Action, Reason), kube::Error> {
        self.memory.succeeded();
        self.show(done.status).await?;
        let accesses = std::mem::take(&mut self.accesses);
        for access in &accesses {
            let event = event::of_access(&self.name, &self.uid, access, self.principal.as_ref(), None);
            self.emit(event, access.time).await;
        }
        self.emit(done.event, self.now).await;
        Ok((done.wake.map_or_else(Action::await_change, Action::requeue), Reason::Synced))
    }

    async fn fail(&mut self, fault: &Fault) -> Result<(Action, Reason), kube::Error> {
        let (attempt, since) = self.memory.failed(self.now);
        let interval = self.object.spec.refresh_interval();
        let before = self.memory.status.clone();
        self.show(self.subject(&before).failed(fault, since, interval)).await?;
        let accesses = std::mem::take(&mut self.accesses);
        for access in &accesses {
            let event = event::of_access(&self.name, &self.uid, access, self.principal.as_ref(), Some(fault));
            self.emit(event, access.time).await;
        }
        let is_news = before.conditions != self.memory.status.conditions;
        if is_news && accesses.iter().all(|access| !access.failed) {
            let generation = self.object.metadata.generation.unwrap_or_default();
            self.emit(Some(event::of_fault(&self.name, &self.uid, generation, fault)), self.now).await;
        }
        if fault.reason == Reason::CredentialsInvalid {
            // The store asks again who it is, and shows the failure itself.
            self.context.wake.store(StoreKey::of(self.object));
        }
        if is_news {
            tracing::warn!(namespace = self.namespace, name = self.name, reason = %fault.reason, "{}", fault.message);
        }
        let wait = backoff::after_failure(fault.reason, attempt, interval, &self.uid);
        let failed_read = || FailedRead {
            rests_on: self.rests_on,
            // A timer may fire a moment early.
            retry_at: Instant::now() + wait.saturating_sub(Duration::from_millis(50)),
            reason: fault.reason,
        };
        self.memory.failed_read = accesses.iter().any(|access| access.failed).then(failed_read);
        Ok((Action::requeue(wait), fault.reason))
    }

    /// Writes the status if it says something new.
    async fn show(&mut self, status: SecureParameterStatus) -> Result<(), kube::Error> {
        if status == *self.memory.status {
            return Ok(());
        }
        self.context.statuses.secure_parameter(&self.namespace, &self.name, &status).await?;
        self.memory.status = Arc::new(status);
        Ok(())
    }

    async fn emit(&self, event: Option<Event>, time: Timestamp) {
        if let Some(event) = event {
            let related = ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                namespace: Some(self.namespace.clone()),
                name: Some(self.object.secret_name().to_owned()),
                ..ObjectReference::default()
            };
            self.context.events.create(event, &self.object.object_ref(&()), Some(related), time).await;
        }
    }

    fn repair_event(&self, purpose: Purpose, facts: &SecretFacts) -> Event {
        let what = if purpose == Purpose::SecretMissing { "was deleted" } else { "was changed by somebody else" };
        let note = format!("Secret {} {what}; it was restored.", self.object.secret_name());
        event::of_repair(&self.name, &self.uid, &facts.resource_version, &note)
    }

    fn audit_write(&self, verb: &'static str, resource_version: Option<String>) {
        let requests = self.accesses.iter().filter_map(|access| access.request_id.clone()).collect();
        let record = SecretWrite::new(new_id(), verb, self.now, resource_version, requests, self.audited());
        self.context.trail.write(&record);
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

    fn subject<'s>(&'s self, status: &'s SecureParameterStatus) -> Subject<'s> {
        Subject {
            generation: self.object.metadata.generation,
            status,
            store: &self.store,
            sync: self.sync_token(),
            now: self.now,
        }
    }

    fn sync_token(&self) -> Option<&'a str> {
        self.object.metadata.annotations.as_ref()?.get(SYNC_ANNOTATION).map(String::as_str)
    }

    fn audited(&self) -> ObjectRef {
        ObjectRef {
            kind: "SecureParameter",
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
            uid: self.uid.clone(),
            secret: Some(self.object.secret_name().to_owned()),
            reason: "",
        }
    }
}

/// What a look at the versions found.
enum Probed {
    Same(Done),
    Changed,
}

impl SeenSecret {
    fn of(facts: SecretFacts) -> Self {
        Self { uid: facts.uid, resource_version: facts.resource_version, fields: facts.fields }
    }
}

fn absent(versions: &Versions) -> std::collections::BTreeSet<crate::domain::parameter::Wanted> {
    versions.iter().filter(|(_, metadata)| metadata.is_none()).map(|(wanted, _)| wanted.clone()).collect()
}
