//! The write of one Secret: verdict, desired state, apply, and what becomes of the former target.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use crate::controller::secure_parameter::Pass;
use crate::{
    api::{
        Reason, ReclaimPolicy, SecureParameter,
        names::{self, FIELD_MANAGER},
        status::WrittenSecret,
    },
    domain::{
        Fault,
        ownership::{
            merge,
            owner::{FieldOwnership, SecretMetadata, Verdict, judge},
        },
        secret::render::Data,
    },
    kubernetes::secrets::{errors::SecretError, write::DesiredSecret},
};

/// What may be written: the verdict on a Secret at one time.
pub(crate) struct Permit {
    /// uid of the Secret that is there; `None` if there is none.
    pub uid: Option<String>,
    /// Its resource version, where that was looked at.
    pub version: String,
    /// Who held which of its fields, where that was looked at.
    pub fields: FieldOwnership,
}

/// A Secret after its write.
pub(crate) struct Applied {
    /// Its metadata.
    pub facts: SecretMetadata,
    /// How many keys it holds.
    pub key_count: usize,
}

impl Pass<'_> {
    /// Judges whether the object may write its Secret.
    pub(crate) async fn permit(&self) -> Result<Permit, Fault> {
        let (namespace, name) = (&self.namespace, self.object.secret_name());
        let has_rival = || self.context.index.lock().older_claimant(namespace, name, &self.uid).is_some();
        // A new object most likely finds its place free: then the write itself says if it does not.
        if !self.memory.status.is_reported() && !self.object.spec.merges() && !has_rival() {
            return Ok(Permit { uid: None, version: String::new(), fields: FieldOwnership::default() });
        }
        self.judge_what_is_there().await
    }

    async fn judge_what_is_there(&self) -> Result<Permit, Fault> {
        let (namespace, name) = (&self.namespace, self.object.secret_name());
        let existing = self.context.secrets.metadata(namespace, name, &self.manager).await;
        let existing = existing.map_err(|error| write_failed(name, &error))?;
        let merges = self.object.spec.merges();
        let verdict = {
            let index = self.context.index.lock();
            let holder = |uid: &str| index.name_of(namespace, uid);
            if merges {
                merge::judge(existing.as_ref(), self.claimant(), holder)
            } else {
                let older = index.older_claimant(namespace, name, &self.uid);
                judge(existing.as_ref(), self.claimant(), holder, older.as_deref())
            }
        };
        // A Secret in the way is followed, so that its deletion or consent is noticed at once; one that others made,
        // always.
        let is_followed = merges || matches!(verdict, Verdict::Refuse(_)) && existing.is_some();
        self.context.foreign_secrets.follow(&self.uid, is_followed.then_some((namespace.as_str(), name)));
        let SecretMetadata { resource_version: version, fields, .. } = existing.unwrap_or_default();
        match verdict {
            Verdict::Create => Ok(Permit { uid: None, version, fields }),
            Verdict::Apply { uid } => Ok(Permit { uid: Some(uid), version, fields }),
            Verdict::Refuse(fault) => Err(fault),
        }
    }

    /// The permit for the Secret that was last written and is as it was.
    pub(crate) fn permit_again(&self, ours: &WrittenSecret) -> Permit {
        self.context.foreign_secrets.follow(&self.uid, None);
        let version = ours.resource_version.clone();
        Permit { uid: Some(ours.uid.clone()), version, fields: FieldOwnership::default() }
    }

    /// Writes the Secret. If that fails, it is as it was.
    pub(crate) async fn write(&self, data: Data<'_>, permit: &Permit) -> Result<Applied, Fault> {
        let (desired, mut second) = (self.desired(data), None);
        let facts = match &permit.uid {
            Some(uid) if self.object.spec.merges() => self.put_keys(&desired, uid, permit).await?,
            Some(uid) => self.apply(&desired, uid).await?,
            None => match self.context.secrets.create(&desired).await {
                // There is one already, or since the verdict.
                Err(SecretError::Replaced) => match &second.insert(self.judge_what_is_there().await?).uid {
                    Some(uid) => self.apply(&desired, uid).await?,
                    None => return Err(write_failed(desired.name, &SecretError::Replaced)),
                },
                other => other.map_err(|error| write_failed(desired.name, &error))?,
            },
        };
        self.context.metrics.secret_written();
        self.audit_write("apply", desired.name, Some(facts.resource_version.clone()));
        let facts = self.leave_merged(desired.name, second.as_ref().unwrap_or(permit)).await?.unwrap_or(facts);
        Ok(Applied { facts, key_count: desired.data.len() })
    }

    async fn apply(&self, desired: &DesiredSecret<'_>, uid: &str) -> Result<SecretMetadata, Fault> {
        let (secrets, failed) = (&self.context.secrets, |error: SecretError| write_failed(desired.name, &error));
        match secrets.apply(desired, uid).await {
            Err(SecretError::Immutable) => {}
            other => return other.map_err(failed),
        }
        // Type and immutability cannot change in place. The Secret is ours, and this very one; it goes only once the API
        // server has said that it would take the new one.
        secrets.dry_run_create(desired).await.map_err(failed)?;
        secrets.delete(&self.namespace, desired.name, uid).await.map_err(failed)?;
        self.audit_write("delete", desired.name, None);
        secrets.create(desired).await.map_err(failed)
    }

    fn desired<'d>(&'d self, data: Data<'d>) -> DesiredSecret<'d> {
        let spec = &self.object.spec;
        let target = spec.target.as_ref();
        let bare = DesiredSecret {
            namespace: &self.namespace,
            name: self.object.secret_name(),
            manager: &self.manager,
            type_: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            immutable: false,
            owner: None,
            data,
        };
        if spec.merges() {
            return bare;
        }
        let with = |own: &[(&str, &str)], set: Option<&BTreeMap<String, String>>| {
            let own = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            set.cloned().unwrap_or_default().into_iter().chain(own).collect()
        };
        let labels = [(names::OWNER_UID_LABEL, self.uid.as_str()), (names::MANAGED_BY_LABEL, FIELD_MANAGER)];
        DesiredSecret {
            type_: Some(spec.secret_type()),
            immutable: target.and_then(|target| target.immutable).unwrap_or_default(),
            labels: with(&labels, target.map(|target| &target.labels)),
            annotations: with(&[(names::OWNER_ANNOTATION, &self.name)], target.map(|target| &target.annotations)),
            owner: (spec.reclaim_policy() == ReclaimPolicy::Delete).then(|| owner_reference(self.object)).flatten(),
            ..bare
        }
    }

    /// Deals with the Secret under the former name of the target, once the new one is written: deletes it, or lets go
    /// of it where it is to be retained.
    pub(crate) async fn retire(&self, former: &WrittenSecret) -> Result<(), Fault> {
        let failed = |error: SecretError| write_failed(&former.name, &error);
        let (secrets, namespace) = (&self.context.secrets, &self.namespace);
        if self.take_keys_back(&former.name).await.map_err(failed)? {
            return Ok(());
        }
        let facts = secrets.metadata(namespace, &former.name, FIELD_MANAGER).await.map_err(failed)?;
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

fn owner_reference(object: &SecureParameter) -> Option<OwnerReference> {
    // Without blockOwnerDeletion, which would need the right to set finalizers.
    object.controller_owner_ref(&()).map(|owner| OwnerReference { block_owner_deletion: None, ..owner })
}

/// A write that failed, as the owner of the object reads it.
pub(crate) fn write_failed(secret: &str, error: &SecretError) -> Fault {
    match error {
        // Nothing but another spec or other values helps.
        SecretError::Invalid(_) => Fault::new(
            Reason::InvalidSpec,
            format!("Secret {secret} could not be written: {error}; correct spec.target or the keys in spec.data."),
        ),
        SecretError::FieldConflict(_) => Fault::new(
            Reason::SecretConflict,
            format!(
                "Secret {secret} could not be written: {error}; rename the keys in the spec, or remove them there."
            ),
        ),
        SecretError::Failed(_) => Fault::new(
            Reason::SecretWriteFailed,
            format!(
                "Secret {secret} could not be written: {error}; the operator tries again, see whether rights, a quota or \
                 an admission policy stand in the way."
            ),
        ),
        SecretError::Immutable | SecretError::Replaced => Fault::new(
            Reason::SecretWriteFailed,
            format!("Secret {secret} could not be written: {error}; the operator tries again."),
        ),
    }
}
