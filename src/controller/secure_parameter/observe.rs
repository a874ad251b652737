//! What is known of an object before AWS is asked.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use kube::{ResourceExt, runtime::reflector::ObjectRef};
use tokio::time::Instant;

use crate::controller::secure_parameter::{Pass, Passed, as_known, write::write_failed};
use crate::{
    api::{Condition, ConditionStatus, ConditionType, Reason, names::OWNER_UID_LABEL, status::WrittenSecret},
    controller::{secure_parameter::state::SeenSecret, store::connections::StoreConnection},
    domain::{
        Fault,
        access::read_authority::ReadAuthority,
        ownership::owner::SecretMetadata,
        plan::plan::Plan,
        schedule::decide::{Known, SecretState},
    },
    parameters::Snapshot,
};

impl Pass<'_> {
    pub(crate) fn known(&self, plan: &Plan, secret: SecretState) -> Known {
        let status = &self.memory.status;
        let ready = status.condition(ConditionType::Ready);
        let reason = ready.and_then(Condition::known_reason);
        let is_outage = reason.is_some_and(Reason::is_outage);
        let is_ready = ready.is_some_and(|ready| ready.status == ConditionStatus::True);
        Known {
            synced_before: status.secret.is_some()
                && status.source_revision.is_some()
                && status.store.as_ref() == Some(&self.store),
            shape_changed: self.shape_changed(plan),
            sync_requested: self.sync_token().is_some_and(|sync| status.last_handled_sync.as_deref() != Some(sync)),
            secret,
            // An outage ends with a look at the versions, if the Secret is known to be what the spec asks for.
            failing: !is_ready
                && reason != Some(Reason::Suspended)
                && !(is_outage && self.memory.shape == Some(plan.shape)),
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
    pub(crate) async fn secret_state(&mut self, plan: &Plan) -> Result<SecretState, Fault> {
        let Some(recorded) = self.memory.status.secret.clone() else {
            return Ok(SecretState::Missing);
        };
        let reference = ObjectRef::new(&recorded.name).within(&self.namespace);
        let seen = self.memory.secret.as_ref();
        let expected = seen.map_or(recorded.resource_version.as_str(), |seen| seen.resource_version.as_str());
        if self.object.spec.merges() {
            self.context.foreign_secrets.follow(&self.uid, Some((&self.namespace, &recorded.name)));
        }
        let cached = self.context.caches.secrets.get(&reference).filter(|meta| {
            // Of a Secret that is not ours the version alone says nothing.
            meta.labels().get(OWNER_UID_LABEL) == Some(&self.uid)
        });
        if cached.is_some_and(|meta| meta.resource_version().as_deref() == Some(expected)) {
            return Ok(SecretState::Intact);
        }
        let facts = self.context.secrets.metadata(&self.namespace, &recorded.name, &self.manager).await;
        let Some(facts) = facts.map_err(|error| write_failed(&recorded.name, &error))? else {
            return Ok(SecretState::Missing);
        };
        if self.is_intact(&facts, &recorded, plan) {
            self.memory.secret = Some(SeenSecret::of(facts));
            return Ok(SecretState::Intact);
        }
        Ok(SecretState::Drifted)
    }

    fn is_intact(&self, facts: &SecretMetadata, recorded: &WrittenSecret, plan: &Plan) -> bool {
        let merges = self.object.spec.merges();
        let is_ours =
            if merges { facts.takes_keys_of(self.claimant()) } else { facts.owner_uid.as_deref() == Some(&self.uid) };
        if facts.uid != recorded.uid || !is_ours {
            return false;
        }
        match &self.memory.secret {
            // What others hold there besides is theirs.
            Some(seen) if merges => seen.fields.ours == facts.fields.ours,
            Some(seen) => seen.fields.ours == facts.fields.ours && seen.fields.foreign == facts.fields.foreign,
            None if facts.resource_version == recorded.resource_version => true,
            // After a restart, of a Secret that somebody touched meanwhile: nothing of ours may be missing or foreign.
            None => {
                let is_ours = |key: &String| facts.fields.ours.contains(&format!("data/{key}"));
                let ours = facts.fields.ours.iter().filter(|field| field.starts_with("data/")).count();
                // Also of keys that the spec does not name none may be missing.
                let is_whole = recorded.key_count.is_some_and(|count| usize::try_from(count) == Ok(ours));
                (merges || facts.fields.foreign.is_empty()) && is_whole && plan.required_keys().all(is_ours)
            }
        }
    }

    /// A read that failed is not repeated before its time just because the object was woken for another cause; and not
    /// at all while looks say that it would fail again: then their fault counts, and the informer wakes the object when
    /// they say otherwise.
    pub(crate) fn failed_read(
        &mut self,
        session: &StoreConnection,
        plan: &Plan,
        bounds: &ReadAuthority<'_>,
    ) -> Result<Option<Passed>, Fault> {
        let reader = Arc::as_ptr(&session.reader).addr();
        let mut hasher = DefaultHasher::new();
        (reader, self.object.metadata.generation, self.sync_token()).hash(&mut hasher);
        self.rests_on = hasher.finish();
        let Some(failed) = self.memory.failed_read.as_ref().filter(|failed| failed.rests_on == self.rests_on) else {
            return Ok(None);
        };
        let (lookups, plan) = (plan.lookups(), as_known(session, plan, bounds));
        let reads = plan.reads();
        let looked_up = session.reader.cached_lookup(&lookups).map(|known| (known.errors, known.accesses));
        let looked_at = match session.reader.snapshot(&reads) {
            Snapshot::Complete { errors, accesses, .. } => Some((errors, accesses)),
            Snapshot::Incomplete => None,
        };
        for (errors, accesses) in [looked_up, looked_at].into_iter().flatten() {
            if errors.values().any(|error| !error.is_outage())
                && let Some(fault) = session.reader.fault(&errors)
            {
                self.accesses.extend(accesses);
                return Err(fault);
            }
        }
        // A proof of access that succeeded, for example, after the read had failed.
        if session.reader.changed_at(&reads, &lookups).is_some_and(|changed_at| changed_at > failed.at) {
            return Ok(None);
        }
        let wait = failed.retry_at.checked_duration_since(Instant::now());
        Ok(wait.map(|wait| Passed::Waiting(wait, failed.reason)))
    }
}
