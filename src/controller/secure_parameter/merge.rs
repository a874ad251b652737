//! Keys in a Secret that others made: put there, and taken back when the object goes.

use kube::{ResourceExt, runtime::controller::Action};

use crate::controller::secure_parameter::{
    Pass,
    write::{Permit, write_failed},
};
use crate::{
    api::{
        Condition, ConditionType, Reason, ReclaimPolicy,
        names::{MERGE_FINALIZER, merge_manager},
    },
    domain::{
        Fault,
        ownership::{
            merge::must_take_back,
            owner::{FieldOwnership, SecretMetadata},
        },
        report::event,
    },
    kubernetes::secrets::{errors::SecretError, write::DesiredSecret},
};

impl Pass<'_> {
    /// Puts the object's keys into the Secret.
    pub(crate) async fn put_keys(
        &self,
        desired: &DesiredSecret<'_>,
        uid: &str,
        permit: &Permit,
    ) -> Result<SecretMetadata, Fault> {
        self.settle_finalizer().await?;
        let keys = || desired.data.keys().map(AsRef::as_ref);
        // After a start of the operator: the same parameters by the same spec gave the same keys to the same Secret.
        let all_ours =
            || FieldOwnership { ours: keys().map(|key| format!("data/{key}")).collect(), ..FieldOwnership::default() };
        let before = match &self.memory.secret {
            Some(secret) => (secret.uid == uid).then(|| secret.fields.clone()),
            None => self.repeats(uid).then(all_ours),
        };
        let holder = |manager: &str| self.holder(manager);
        let by_force = must_take_back(desired.name, keys(), &permit.fields, before.as_ref(), holder)?;
        let by_force = by_force.then_some(permit.version.as_str());
        let put = self.context.secrets.apply_keys(desired, uid, by_force).await;
        put.map_err(|error| match error {
            SecretError::Immutable => Fault::new(
                Reason::SecretConflict,
                format!(
                    "Secret {} is immutable and takes no keys; have it made anew without immutable, or choose another \
                     spec.target.name.",
                    desired.name
                ),
            ),
            error => write_failed(desired.name, &error),
        })
    }

    /// A field manager, by the name of the object where it is one of ours.
    fn holder(&self, manager: &str) -> String {
        let uid = manager.strip_prefix(&merge_manager(""));
        let name = uid.and_then(|uid| self.context.index.lock().name_of(&self.namespace, uid));
        name.map_or_else(|| manager.to_owned(), |name| format!("SecureParameter {name}"))
    }

    /// Whether what is written now was written last by this very spec, and into the Secret with this uid.
    fn repeats(&self, uid: &str) -> bool {
        let status = &self.memory.status;
        let ready = status.condition(ConditionType::Ready).and_then(Condition::known_reason);
        let is_same = status.secret.as_ref().is_some_and(|secret| secret.uid == uid);
        self.is_repetition && is_same && ready == Some(Reason::Synced)
    }

    /// Lets go of a Secret as one of others, once it is written whole. Answers with the Secret after that, if it was one.
    pub(crate) async fn leave_merged(&self, name: &str, permit: &Permit) -> Result<Option<SecretMetadata>, Fault> {
        let manager = merge_manager(&self.uid);
        if self.manager == manager || !permit.fields.managers.contains(&manager) {
            return Ok(None);
        }
        let failed = |error| write_failed(name, &error);
        self.take_keys_back(name).await.map_err(failed)?;
        self.context.secrets.metadata(&self.namespace, name, &self.manager).await.map_err(failed)
    }

    /// Takes the object's keys back from a Secret of others. Answers whether there were any.
    pub(crate) async fn take_keys_back(&self, name: &str) -> Result<bool, SecretError> {
        let (secrets, namespace, manager) = (&self.context.secrets, &self.namespace, merge_manager(&self.uid));
        let facts = secrets.metadata(namespace, name, &manager).await?;
        let Some(facts) = facts.filter(|facts| !facts.fields.ours.is_empty()) else { return Ok(false) };
        if self.object.spec.reclaim_policy() == ReclaimPolicy::Delete || facts.owner_uid.is_some() {
            secrets.remove_applied(namespace, name, &facts.uid, &manager).await?;
            self.audit_write("withdraw", name, None);
        }
        Ok(true)
    }

    /// Lets an object go whose keys are to stay, whatever else is the matter with it.
    pub(crate) async fn free_of_finalizer(&self) {
        let keeps_keys = self.object.spec.merges() && self.object.spec.reclaim_policy() == ReclaimPolicy::Retain;
        if keeps_keys && let Err(fault) = self.settle_finalizer().await {
            tracing::warn!(namespace = self.namespace, name = self.name, reason = %fault.reason, "{}", fault.message);
        }
    }

    /// Makes the object stay until its keys are taken back, if it is to; lets it go else.
    pub(crate) async fn settle_finalizer(&self) -> Result<(), Fault> {
        let spec = &self.object.spec;
        let is_needed = spec.merges() && spec.reclaim_policy() == ReclaimPolicy::Delete;
        if self.has_finalizer() == is_needed {
            return Ok(());
        }
        let problem = match self.context.finalizers.set(self.object, is_needed).await {
            Ok(true) => return Ok(()),
            // Nobody would take the keys back.
            Ok(false) => "it is gone".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!(
            "The finalizer of SecureParameter {} could not be set ({problem}); the operator tries again.",
            self.name
        );
        Err(Fault::new(Reason::SecretWriteFailed, message))
    }

    /// Of an object that is being deleted: takes its keys back from a Secret of others, and lets it go.
    pub(crate) async fn leave(mut self) -> Result<Action, kube::Error> {
        self.unwatch();
        if !self.has_finalizer() {
            return Ok(Action::await_change());
        }
        let recorded = self.memory.status.secret.as_ref().map(|secret| secret.name.as_str());
        let names = [Some(self.object.secret_name()), recorded.filter(|name| *name != self.object.secret_name())];
        for name in names.into_iter().flatten() {
            let _turn = self.context.secret_locks.lock(&self.namespace, name).await;
            let Err(error) = self.take_keys_back(name).await else { continue };
            let is_hopeless = matches!(error, SecretError::Immutable | SecretError::Invalid(_));
            let what_next = if is_hopeless { "they stay in it" } else { "the operator tries again" };
            let message = format!(
                "The keys of SecureParameter {} could not be taken back from Secret {name} ({error}); {what_next}.",
                self.name
            );
            let fault = Fault::new(Reason::SecretWriteFailed, message);
            let since = self.object.metadata.deletion_timestamp.as_ref().map_or(0, |time| time.0.as_second());
            tracing::warn!(namespace = self.namespace, name = self.name, reason = %fault.reason, "{}", fault.message);
            self.emit(Some(event::of_fault(&self.name, &self.uid, since, &fault)), self.now).await;
            if !is_hopeless {
                return Ok(Action::requeue(super::LEAVE_AGAIN));
            }
        }
        let Err(error) = self.context.finalizers.set(self.object, false).await else {
            return Ok(Action::await_change());
        };
        let (namespace, name) = (&self.namespace, &self.name);
        tracing::warn!(namespace, name, %error, "the finalizer could not be removed; the operator tries again");
        Ok(Action::requeue(super::LEAVE_AGAIN))
    }

    fn has_finalizer(&self) -> bool {
        self.object.finalizers().iter().any(|finalizer| finalizer == MERGE_FINALIZER)
    }
}
