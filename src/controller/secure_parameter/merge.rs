//! Keys in a Secret that others made: put there, and taken back when the object goes.

use kube::{ResourceExt, runtime::controller::Action};

use super::{
    Pass,
    write::{Permit, write_failed},
};
use crate::{
    api::{
        Reason, ReclaimPolicy,
        names::{MERGE_FINALIZER, merge_manager},
    },
    domain::{
        Fault,
        merge::must_take_back,
        ownership::{FieldOwnership, SecretFacts},
    },
    kubernetes::Desired,
};

impl Pass<'_> {
    /// Puts the object's keys into the Secret.
    pub(super) async fn put_keys(
        &self,
        desired: &Desired<'_>,
        uid: &str,
        permit: &Permit,
    ) -> Result<SecretFacts, Fault> {
        self.settle_finalizer().await?;
        let keys = || desired.data.keys().map(AsRef::as_ref);
        let remembered = self.memory.secret.as_ref().filter(|secret| secret.uid == uid);
        // After a start of the operator: the same parameters by the same spec gave the same keys.
        let all_ours =
            || FieldOwnership { ours: keys().map(|key| format!("data/{key}")).collect(), ..FieldOwnership::default() };
        let before = match remembered {
            Some(secret) => Some(secret.fields.clone()),
            None => self.is_repetition.then(all_ours),
        };
        let force = must_take_back(desired.name, keys(), &permit.fields, before.as_ref())?;
        let put = self.context.secrets.put_keys(desired, uid, force).await;
        put.map_err(|error| write_failed(desired.name, &error))
    }

    /// Lets go of a Secret as one of others, once it is written whole.
    pub(super) async fn leave_merged(&self, name: &str, permit: &Permit) -> Result<(), Fault> {
        let manager = merge_manager(&self.uid);
        if self.manager != manager && permit.fields.managers.contains(&manager) {
            self.take_keys_back(name).await?;
        }
        Ok(())
    }

    /// Takes the object's keys back from a Secret of others. Answers whether there were any.
    pub(super) async fn take_keys_back(&self, name: &str) -> Result<bool, Fault> {
        let (secrets, namespace, manager) = (&self.context.secrets, &self.namespace, merge_manager(&self.uid));
        let failed = |error| write_failed(name, &error);
        let facts = secrets.facts(namespace, name, &manager).await.map_err(failed)?;
        let Some(facts) = facts.filter(|facts| !facts.fields.ours.is_empty()) else { return Ok(false) };
        if self.object.spec.reclaim_policy() == ReclaimPolicy::Delete || facts.owner_uid.is_some() {
            secrets.withdraw(namespace, name, &facts.uid, &manager).await.map_err(failed)?;
            self.audit_write("withdraw", name, None);
        }
        Ok(true)
    }

    /// Makes the object stay until its keys are taken back, if it is to; lets it go else.
    pub(super) async fn settle_finalizer(&self) -> Result<(), Fault> {
        let spec = &self.object.spec;
        let is_needed = spec.merges() && spec.reclaim_policy() == ReclaimPolicy::Delete;
        if self.has_finalizer() == is_needed {
            return Ok(());
        }
        let set = self.context.finalizers.set(self.object, is_needed).await;
        set.map_err(|error| {
            let message = format!(
                "The finalizer of SecureParameter {} could not be set ({error}); the operator tries again.",
                self.name
            );
            Fault::new(Reason::SecretWriteFailed, message)
        })
    }

    /// Of an object that is being deleted: takes its keys back from a Secret of others, and lets it go.
    pub(super) async fn leave(self) -> Result<Action, kube::Error> {
        if !self.has_finalizer() {
            return Ok(Action::await_change());
        }
        let recorded = self.memory.status.secret.as_ref().map(|secret| secret.name.as_str());
        let names = [Some(self.object.secret_name()), recorded.filter(|name| *name != self.object.secret_name())];
        for name in names.into_iter().flatten() {
            let _turn = self.context.secret_locks.lock(&self.namespace, name).await;
            if let Err(fault) = self.take_keys_back(name).await {
                tracing::warn!(namespace = self.namespace, name = self.name, reason = %fault.reason, "{}", fault.message);
                return Ok(Action::requeue(super::LEAVE_AGAIN));
            }
        }
        self.context.finalizers.set(self.object, false).await?;
        Ok(Action::await_change())
    }

    fn has_finalizer(&self) -> bool {
        self.object.finalizers().iter().any(|finalizer| finalizer == MERGE_FINALIZER)
    }
}
