//! Writes the Secret, if it may be written.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::OwnerReference, jiff::Timestamp};
use kube::Resource;

use crate::controller::secure_parameter::{
    finalize::{delete_previous_target, set_finalizer},
    inputs::Inputs,
    merge::{put_keys, withdraw_merged},
};
use crate::{
    api::{
        Reason, ReclaimPolicy, SecureParameter,
        names::{FIELD_MANAGER, MANAGED_BY_LABEL, OWNER_ANNOTATION, OWNER_UID_LABEL},
    },
    controller::context::{Context, new_id},
    domain::{
        Fault,
        audit::SecretWrite,
        ownership::{
            merge,
            owner::decide_ownership,
            types::{FieldOwnership, SecretMetadata, Verdict},
        },
        report::event::Access,
        schedule::decide::{Purpose, SecretState},
        secret::content::Data,
    },
    kubernetes::secrets::{errors::SecretError, write::DesiredSecret},
};

/// The Secret that a write is for, as it was judged.
pub(super) struct WritePrecondition {
    /// Its uid; `None` if it must not exist.
    pub(super) uid: Option<String>,
    /// Its resource version, where it was asked for.
    pub(super) resource_version: String,
    /// Who holds which of its fields, where it was asked for.
    pub(super) fields: FieldOwnership,
}

impl WritePrecondition {
    const fn new(uid: Option<String>, resource_version: String) -> Self {
        let fields = FieldOwnership { ours: BTreeSet::new(), foreign: BTreeSet::new(), managers: BTreeSet::new() };
        Self { uid, resource_version, fields }
    }
}

/// Decides whether the object may write its Secret, and on which condition.
///
/// # Errors
/// `SecretConflict` if the Secret is somebody else's; `SecretContested` if it was repaired too often.
pub(super) async fn write_precondition(
    inputs: &Inputs<'_>,
    purpose: Purpose,
    secret: SecretState,
    context: &Context,
) -> Result<WritePrecondition, Fault> {
    let (name, merges) = (inputs.object.secret_name(), inputs.object.spec.merges());
    let recorded = inputs.state.status.written_secret().filter(|recorded| recorded.name == name);
    let precondition = match recorded {
        // The Secret is as last written, and the write is pinned to it: there is nothing to judge.
        Some(recorded) if secret == SecretState::Intact && !merges => {
            context.foreign_secrets.follow(&inputs.uid, None);
            WritePrecondition::new(Some(recorded.uid), recorded.resource_version)
        }
        _ if is_new(inputs, context) => WritePrecondition::new(None, String::new()),
        _ => judge_existing(inputs, context).await?,
    };
    if purpose.is_repair() && !inputs.state.repairs.allows(context.uptime()) {
        return Err(contested(inputs, context).await);
    }
    Ok(precondition)
}

/// A new object most likely finds its place free. If it does not, the write itself says so.
fn is_new(inputs: &Inputs<'_>, context: &Context) -> bool {
    let name = inputs.object.secret_name();
    let has_rival = || context.index.lock().older_claimant(&inputs.namespace, name, &inputs.uid).is_some();
    !inputs.state.status.is_reported() && !inputs.object.spec.merges() && !has_rival()
}

async fn judge_existing(inputs: &Inputs<'_>, context: &Context) -> Result<WritePrecondition, Fault> {
    let (namespace, name) = (&inputs.namespace, inputs.object.secret_name());
    let existing = context.secrets.metadata(namespace, name, &inputs.manager).await;
    let existing = existing.map_err(|error| write_failed(name, &error))?;
    let merges = inputs.object.spec.merges();
    let verdict = {
        let index = context.index.lock();
        let holder = |uid: &str| index.name_of(namespace, uid);
        if merges {
            merge::decide_merge(existing.as_ref(), inputs.claimant(), holder)
        } else {
            let older = index.older_claimant(namespace, name, &inputs.uid);
            decide_ownership(existing.as_ref(), inputs.claimant(), holder, older.as_deref())
        }
    };
    // A Secret that is in the way is watched, so that its deletion or consent is noticed at once. One to merge into is
    // always watched.
    let is_watched = merges || matches!(verdict, Verdict::Refuse(_)) && existing.is_some();
    context.foreign_secrets.follow(&inputs.uid, is_watched.then_some((namespace.as_str(), name)));
    let SecretMetadata { resource_version, fields, .. } = existing.unwrap_or_default();
    match verdict {
        Verdict::Create => Ok(WritePrecondition { uid: None, resource_version, fields }),
        Verdict::Apply { uid } => Ok(WritePrecondition { uid: Some(uid), resource_version, fields }),
        Verdict::Refuse(fault) => Err(fault),
    }
}

async fn contested(inputs: &Inputs<'_>, context: &Context) -> Fault {
    let name = inputs.object.secret_name();
    let metadata = context.secrets.metadata(&inputs.namespace, name, &inputs.manager).await.ok().flatten();
    // In a Secret of others, the keys that they hold beside ours are theirs.
    let snapshot = inputs.state.secret.as_ref().filter(|_| inputs.object.spec.merges());
    let is_disputed = |path: &String| snapshot.is_none_or(|snapshot| snapshot.fields.ours.contains(path));
    let foreign = metadata.map(|metadata| metadata.fields.foreign).unwrap_or_default();
    let managers: BTreeSet<_> =
        foreign.into_iter().filter(|(path, _)| is_disputed(path)).map(|(_, manager)| manager).collect();
    let who = if managers.is_empty() {
        "Somebody".to_owned()
    } else {
        format!("Field manager {}", managers.into_iter().collect::<Vec<_>>().join(", "))
    };
    let message = format!(
        "{who} keeps changing or deleting Secret {name}, and the operator restores it at most three times a minute; stop \
         the other writer, or use creationPolicy Merge if both are meant to write."
    );
    Fault::new(Reason::SecretContested, message)
}

/// Writes one Secret for one attempt.
pub(super) struct SecretWriter<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) context: &'a Context,
    /// Why, for the audit; `None` while the object is being deleted.
    purpose: Option<Purpose>,
    /// Ids of the AWS requests that the values came from.
    request_ids: Vec<String>,
}

impl<'a> SecretWriter<'a> {
    /// Writes what was read for this purpose.
    pub(super) fn new(inputs: &'a Inputs<'_>, context: &'a Context, purpose: Purpose, accesses: &[Access]) -> Self {
        let request_ids = accesses.iter().filter_map(|access| access.request_id.clone()).collect();
        Self { inputs, context, purpose: Some(purpose), request_ids }
    }

    /// Takes back what was written, for an object that is being deleted.
    pub(super) const fn for_deletion(inputs: &'a Inputs<'_>, context: &'a Context) -> Self {
        Self { inputs, context, purpose: None, request_ids: Vec::new() }
    }

    /// Writes the Secret, and deletes the one under the previous name. If that fails, the Secret is as it was.
    pub(super) async fn write(
        &self,
        data: Data<'_>,
        precondition: &WritePrecondition,
    ) -> Result<SecretMetadata, Fault> {
        let inputs = self.inputs;
        let (desired, mut judged_again) = (desired(inputs, data), None);
        let metadata = match &precondition.uid {
            Some(uid) if inputs.object.spec.merges() => put_keys(self, &desired, uid, precondition).await?,
            Some(uid) => self.apply(&desired, uid).await?,
            None => match self.context.secrets.create(&desired).await {
                // There is one already, or since it was judged.
                Err(SecretError::Replaced) => {
                    let existing = judge_existing(inputs, self.context).await?;
                    let Some(uid) = judged_again.insert(existing).uid.clone() else {
                        return Err(write_failed(desired.name, &SecretError::Replaced));
                    };
                    self.apply(&desired, &uid).await?
                }
                created => created.map_err(|error| write_failed(desired.name, &error))?,
            },
        };
        self.context.metrics.secret_written();
        self.audit("apply", desired.name, Some(metadata.resource_version.clone()));
        let precondition = judged_again.as_ref().unwrap_or(precondition);
        let metadata = withdraw_merged(self, desired.name, precondition).await?.unwrap_or(metadata);
        delete_previous_target(self).await?;
        // An object that merges has its finalizer since before the write.
        if !inputs.object.spec.merges() {
            set_finalizer(inputs, self.context).await?;
        }
        Ok(metadata)
    }

    async fn apply(&self, desired: &DesiredSecret<'_>, uid: &str) -> Result<SecretMetadata, Fault> {
        let (secrets, failed) = (&self.context.secrets, |error: SecretError| write_failed(desired.name, &error));
        match secrets.apply(desired, uid).await {
            Err(SecretError::Immutable) => {}
            applied => return applied.map_err(failed),
        }
        // Type and immutability cannot change in place. The Secret is ours, and it is deleted only once the API server has
        // said in a dry run that it accepts the new one.
        secrets.dry_run_create(desired).await.map_err(failed)?;
        secrets.delete(&self.inputs.namespace, desired.name, uid).await.map_err(failed)?;
        self.audit("delete", desired.name, None);
        secrets.create(desired).await.map_err(failed)
    }

    /// Records what was done to a Secret.
    pub(super) fn audit(&self, verb: &'static str, secret: &str, resource_version: Option<String>) {
        let object = self.inputs.audit_reference();
        let object = self.purpose.map_or_else(|| object.clone(), |purpose| object.with_purpose(purpose));
        let object = crate::domain::audit::ObjectRef { secret: Some(secret.to_owned()), ..object };
        let requests = self.request_ids.clone();
        let record = SecretWrite::new(new_id(), verb, Timestamp::now(), resource_version, requests, object);
        self.context.audit_sink.record_write(&record);
    }
}

/// The Secret as it should be. With `Merge` it is the keys alone.
fn desired<'d>(inputs: &'d Inputs<'_>, data: Data<'d>) -> DesiredSecret<'d> {
    let spec = &inputs.object.spec;
    let target = spec.target.as_ref();
    let keys_alone = DesiredSecret {
        namespace: &inputs.namespace,
        name: inputs.object.secret_name(),
        manager: &inputs.manager,
        type_: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        immutable: false,
        owner: None,
        data,
    };
    if spec.merges() {
        return keys_alone;
    }
    let with = |own: &[(&str, &str)], set: Option<&BTreeMap<String, String>>| {
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        set.cloned().unwrap_or_default().into_iter().chain(own).collect()
    };
    let labels = [(OWNER_UID_LABEL, inputs.uid.as_str()), (MANAGED_BY_LABEL, FIELD_MANAGER)];
    DesiredSecret {
        type_: Some(spec.secret_type()),
        immutable: target.and_then(|target| target.immutable).unwrap_or_default(),
        labels: with(&labels, target.map(|target| &target.labels)),
        annotations: with(&[(OWNER_ANNOTATION, &inputs.name)], target.map(|target| &target.annotations)),
        owner: (spec.reclaim_policy() == ReclaimPolicy::Delete).then(|| owner_reference(inputs.object)).flatten(),
        ..keys_alone
    }
}

fn owner_reference(object: &SecureParameter) -> Option<OwnerReference> {
    // Without blockOwnerDeletion, which would need the right to set finalizers.
    object.controller_owner_ref(&()).map(|owner| OwnerReference { block_owner_deletion: None, ..owner })
}

/// A write that failed, as the owner of the object reads it.
pub(super) fn write_failed(secret: &str, error: &SecretError) -> Fault {
    let (reason, next_step) = match error {
        SecretError::Invalid(_) => (Reason::InvalidSpec, "correct spec.target or the keys in spec.data"),
        SecretError::FieldConflict(_) => (Reason::SecretConflict, "rename the keys in the spec, or remove them there"),
        SecretError::Failed(_) => (
            Reason::SecretWriteFailed,
            "the operator tries again, check whether rights, a quota or an admission policy stand in the way",
        ),
        SecretError::Immutable | SecretError::Replaced => (Reason::SecretWriteFailed, "the operator tries again"),
    };
    Fault::new(reason, format!("Secret {secret} could not be written: {error}; {next_step}."))
}
