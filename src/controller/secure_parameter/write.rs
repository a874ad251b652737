//! The write of one Secret: verdict, desired state, apply, and what becomes of the former target.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

use super::Pass;
use crate::{
    api::{Reason, ReclaimPolicy, SecureParameter, names, status::WrittenSecret},
    controller::locked,
    domain::{
        Fault,
        ownership::{Claimant, SecretFacts, Verdict, judge},
        render::Data,
    },
    kubernetes::{Desired, WriteError},
};

/// What may be written: the verdict on a Secret at one time.
pub(super) struct Permit {
    /// uid of the Secret that is there; `None` if there is none.
    uid: Option<String>,
}

/// A Secret after its write.
pub(super) struct Applied {
    /// Its metadata.
    pub facts: SecretFacts,
    /// How many keys it holds.
    pub key_count: usize,
}

impl Pass<'_> {
    /// Judges whether the object may write its Secret.
    pub(super) async fn permit(&self) -> Result<Permit, Fault> {
        let (namespace, name) = (&self.namespace, self.object.secret_name());
        let existing = self.context.secrets.facts(namespace, name).await;
        let existing = existing.map_err(|error| write_failed(name, &error))?;
        let claimant = Claimant { namespace, name: &self.name, uid: &self.uid, secret: name };
        let verdict = {
            let index = locked(&self.context.index);
            let older = index.older_sibling(namespace, name, &self.uid);
            judge(existing.as_ref(), claimant, |uid| index.living(namespace, uid), older.as_deref())
        };
        // A Secret in the way is followed, so that its deletion or consent is noticed at once.
        let in_the_way = matches!(verdict, Verdict::Refuse(_)) && existing.is_some();
        self.context.named_secrets.follow(&self.uid, in_the_way.then_some((namespace.as_str(), name)));
        match verdict {
            Verdict::Create => Ok(Permit { uid: None }),
            Verdict::Apply { uid } => Ok(Permit { uid: Some(uid) }),
            Verdict::Refuse(fault) => Err(fault),
        }
    }

    /// The permit for the Secret that was last written and is as it was.
    pub(super) fn permit_again(&self, ours: &WrittenSecret) -> Permit {
        self.context.named_secrets.follow(&self.uid, None);
        Permit { uid: Some(ours.uid.clone()) }
    }

    /// Writes the Secret. If that fails, it is as it was.
    pub(super) async fn write(&self, data: Data<'_>, permit: &Permit) -> Result<Applied, Fault> {
        let desired = desired(self.object, &self.namespace, data);
        let facts = match &permit.uid {
            None => self.create(&desired).await?,
            Some(uid) => match self.context.secrets.apply(&desired, uid).await {
                Err(WriteError::Immutable) => {
                    // Type and immutability cannot change in place. The Secret is ours, and this very one; it goes
                    // only once the API server has said that it would take the new one.
                    let taken = self.context.secrets.would_take(&desired).await;
                    taken.map_err(|error| write_failed(desired.name, &error))?;
                    let deleted = self.context.secrets.delete(&self.namespace, desired.name, uid).await;
                    deleted.map_err(|error| write_failed(desired.name, &error))?;
                    self.audit_write("delete", desired.name, None);
                    self.create(&desired).await?
                }
                other => other.map_err(|error| write_failed(desired.name, &error))?,
            },
        };
        self.context.metrics.secret_written();
        self.audit_write("apply", desired.name, Some(facts.resource_version.clone()));
        Ok(Applied { facts, key_count: desired.data.len() })
    }

    async fn create(&self, desired: &Desired<'_>) -> Result<SecretFacts, Fault> {
        let failed = |error: WriteError| write_failed(desired.name, &error);
        let facts = self.context.secrets.create(desired).await.map_err(failed)?;
        if facts.fields.managers.is_empty() {
            return Ok(facts);
        }
        // Somebody created a Secret of this name between the verdict and the write, and ours was merged into it.
        self.context.secrets.withdraw(desired.namespace, desired.name, &facts.uid).await.map_err(failed)?;
        self.audit_write("withdraw", desired.name, None);
        let makers: Vec<_> = facts.fields.managers.iter().map(String::as_str).collect();
        let message = format!(
            "Secret {} was created by {} at the same moment; it is left as they made it: choose another \
             spec.target.name, or delete it.",
            desired.name,
            makers.join(", ")
        );
        Err(Fault::new(Reason::SecretConflict, message))
    }

    /// Deals with the Secret under the former name of the target, once the new one is written: deletes it, or lets go
    /// of it where it is to be retained.
    pub(super) async fn retire(&self, former: &WrittenSecret) -> Result<(), Fault> {
        let failed = |error: WriteError| write_failed(&former.name, &error);
        let (secrets, namespace) = (&self.context.secrets, &self.namespace);
        let facts = secrets.facts(namespace, &former.name).await.map_err(failed)?;
        let is_ours =
            facts.is_some_and(|facts| facts.uid == former.uid && facts.owner_uid.as_deref() == Some(&self.uid));
        if !is_ours {
            return Ok(());
        }
        let verb = match self.object.spec.reclaim_policy() {
            ReclaimPolicy::Delete => {
                secrets.delete(namespace, &former.name, &former.uid).await.map_err(failed)?;
                "delete"
            }
            ReclaimPolicy::Retain => {
                secrets.release(namespace, &former.name, &former.uid).await.map_err(failed)?;
                "release"
            }
        };
        self.audit_write(verb, &former.name, None);
        Ok(())
    }
}

fn desired<'a>(object: &'a SecureParameter, namespace: &'a str, data: Data<'a>) -> Desired<'a> {
    let target = object.spec.target.as_ref();
    let with = |own: &[(&str, String)], set: Option<&BTreeMap<String, String>>| {
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        set.cloned().unwrap_or_default().into_iter().chain(own).collect()
    };
    let labels = [
        (names::OWNER_UID_LABEL, object.uid().unwrap_or_default()),
        (names::MANAGED_BY_LABEL, names::FIELD_MANAGER.to_owned()),
    ];
    Desired {
        namespace,
        name: object.secret_name(),
        type_: object.spec.secret_type(),
        immutable: target.and_then(|target| target.immutable).unwrap_or_default(),
        labels: with(&labels, target.map(|target| &target.labels)),
        annotations: with(&[(names::OWNER_ANNOTATION, object.name_any())], target.map(|target| &target.annotations)),
        owner: (object.spec.reclaim_policy() == ReclaimPolicy::Delete).then(|| owner_reference(object)).flatten(),
        data,
    }
}

fn owner_reference(object: &SecureParameter) -> Option<OwnerReference> {
    // Without blockOwnerDeletion, which would need the right to set finalizers.
    object.controller_owner_ref(&()).map(|owner| OwnerReference { block_owner_deletion: None, ..owner })
}

/// A write that failed, as the owner of the object reads it.
pub(super) fn write_failed(secret: &str, error: &WriteError) -> Fault {
    match error {
        // Nothing but another spec or other values helps.
        WriteError::Invalid(_) => Fault::new(
            Reason::InvalidSpec,
            format!("Secret {secret} could not be written: {error}; correct spec.target or the keys in spec.data."),
        ),
        _ => Fault::new(
            Reason::SecretWriteFailed,
            format!("Secret {secret} could not be written: {error}; the operator tries again."),
        ),
    }
}
