//! Says what happened: status, Events, audit of writes, and when to look again.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::ObjectReference, jiff::Timestamp};
use kube::Resource;
use tokio::time::Instant;

use crate::controller::secure_parameter::{Done, Pass};
use crate::{
    api::{ConditionType, Reason, SecureParameterStatus},
    controller::{context::new_id, index::StoreKey, secure_parameter::state::FailedRead},
    domain::{
        Fault,
        audit::{ObjectRef, SecretWrite},
        ownership::owner::SecretMetadata,
        report::event::{self, Event},
        schedule::{backoff, decide::Purpose},
    },
};

/// When to look again at what only a change helps.
const RESYNC: Duration = Duration::from_secs(24 * 3_600);

impl Pass<'_> {
    pub(crate) async fn succeed(&mut self, done: Done) -> Result<(Option<Duration>, Reason), kube::Error> {
        if let Some(since) = self.memory.failing_since {
            let (namespace, name) = (&self.namespace, &self.name);
            tracing::info!(namespace, name, failing_since = %since, "synced again");
        }
        self.memory.succeeded();
        // What was done is told of in any case.
        let shown = self.show(*done.status).await;
        let accesses = std::mem::take(&mut self.accesses);
        for access in &accesses {
            let event = event::of_access(&self.name, &self.uid, access, self.principal.as_ref(), None);
            self.emit(event, access.time).await;
        }
        for event in done.events {
            self.emit(Some(event), self.now).await;
        }
        shown.map(|()| (done.wake, Reason::Synced))
    }

    pub(crate) async fn fail(&mut self, fault: &Fault) -> Result<(Option<Duration>, Reason), kube::Error> {
        // What changes from now on is news, also while this is reported.
        let failed_at = Instant::now();
        let (attempt, since) = self.memory.failed(self.now);
        let interval = self.object.spec.refresh_interval();
        let before = self.memory.status.clone();
        let shown = self.show(self.subject(&before).failed(fault, since, interval)).await;
        let accesses = std::mem::take(&mut self.accesses);
        for access in &accesses {
            let event = event::of_access(&self.name, &self.uid, access, self.principal.as_ref(), Some(fault));
            // Looks are remembered by the informer: what was told of one is not told again.
            if self.memory.told.as_ref() != Some(&access.audit_id) {
                self.emit(event, access.time).await;
            }
        }
        self.memory.told = accesses.last().map(|access| access.audit_id.clone());
        let is_news = shown.is_err() || before.conditions != self.memory.status.conditions;
        if is_news && accesses.iter().all(|access| !access.failed) {
            let event = event::of_fault(&self.name, &self.uid, self.now.as_second(), fault);
            self.emit(Some(event), self.now).await;
        }
        if fault.reason == Reason::CredentialsInvalid {
            // The store asks again who it is, and shows the failure itself.
            let store = StoreKey::of(self.object);
            if let Some(Ok(session)) = self.context.store_connections.get(&store) {
                session.credential_health.mark_refused();
                self.context.queues.add_store(store);
            }
        }
        if is_news {
            tracing::warn!(namespace = self.namespace, name = self.name, reason = %fault.reason, "{}", fault.message);
        }
        let wait = match fault.reason {
            Reason::SecretContested => self.memory.until_repair(Instant::now()),
            // To read the same again is of no use: a change of what it rests on wakes the object.
            reason if reason.concerns_values() => RESYNC,
            reason => backoff::after_failure(reason, attempt, interval, &self.uid),
        };
        let failed_read = || FailedRead {
            rests_on: self.rests_on,
            at: failed_at,
            // A timer may fire a moment early.
            retry_at: Instant::now() + wait.saturating_sub(Duration::from_millis(50)),
            reason: fault.reason,
        };
        let is_of_a_read = fault.reason.concerns_values() || accesses.iter().any(|access| access.failed);
        self.memory.failed_read = is_of_a_read.then(failed_read);
        shown.map(|()| (Some(wait), fault.reason))
    }

    /// Writes the status if it says something new.
    pub(crate) async fn show(&mut self, mut status: SecureParameterStatus) -> Result<(), kube::Error> {
        status.conditions.retain(|condition| condition.type_ != ConditionType::Restarted.as_str());
        status.conditions.extend(self.restarted());
        status.restart_token = self.memory.restart_token.clone().filter(|_| !self.object.spec.restart.is_empty());
        self.memory.unshown = None;
        if status == *self.memory.status && !self.memory.is_contradicted(self.object) {
            return Ok(());
        }
        // Another of its name may be there by now, and an apply to a status takes no uid for a condition.
        if self.context.index.lock().name_of(&self.namespace, &self.uid).is_none() {
            return Ok(());
        }
        match self.context.statuses.secure_parameter(&self.namespace, &self.name, &status).await {
            Ok(version) => self.memory.status_version = version,
            Err(error) => {
                self.memory.unshown = Some(status);
                return Err(error);
            }
        }
        self.memory.status = Arc::new(status);
        Ok(())
    }

    pub(crate) async fn emit(&self, event: Option<Event>, time: Timestamp) {
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

    pub(crate) fn repair_event(&self, purpose: Purpose, facts: &SecretMetadata) -> Event {
        let what = if purpose == Purpose::SecretMissing { "was deleted" } else { "was changed by somebody else" };
        let note = format!("Secret {} {what}; it was restored.", self.object.secret_name());
        event::of_repair(&self.name, &self.uid, &facts.resource_version, &note)
    }

    /// Records what was done to a Secret.
    pub(crate) fn audit_write(&self, verb: &'static str, secret: &str, resource_version: Option<String>) {
        let requests = self.accesses.iter().filter_map(|access| access.request_id.clone()).collect();
        let object = ObjectRef { secret: Some(secret.to_owned()), ..self.audited().because(self.purpose) };
        let record = SecretWrite::new(new_id(), verb, self.now, resource_version, requests, object);
        self.context.audit_sink.write(&record);
    }
}
