//! Writes the Secret.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use crate::controller::secure_parameter::{
    finalize::delete_previous_target,
    finalizer::set_finalizer,
    inputs::Inputs,
    merge::{put_keys, withdraw_merged},
    precondition::judge_existing,
    writer::{SecretWriter, WritePrecondition, write_failed},
};
use crate::{
    api::{
        ReclaimPolicy, SecureParameter,
        names::{FIELD_MANAGER, MANAGED_BY_LABEL, OWNER_ANNOTATION, OWNER_UID_LABEL},
    },
    domain::{Fault, ownership::types::SecretMetadata, secret::content::Data},
    kubernetes::secrets::{errors::SecretError, write::DesiredSecret},
};

/// Writes the Secret, then deletes or releases the one under the previous name. A later step can fail after the Secret
/// was written; the attempt is then repeated.
pub(super) async fn write_secret(
    writer: &SecretWriter<'_>,
    data: Data<'_>,
    precondition: &WritePrecondition,
) -> Result<SecretMetadata, Fault> {
    let inputs = writer.inputs;
    let (desired, mut judged_again) = (desired(inputs, data), None);
    let metadata = match &precondition.uid {
        Some(uid) if inputs.object.spec.merges() => put_keys(writer, &desired, uid, precondition).await?,
        Some(uid) => apply(writer, &desired, uid, precondition).await?,
        None => match writer.context.secrets.create(&desired).await {
            // The Secret exists, or appeared after it was checked.
            Err(SecretError::Replaced) => {
                let existing = judge_existing(inputs, writer.context).await?;
                let Some(uid) = existing.uid.clone() else {
                    return Err(write_failed(desired.name, &SecretError::Replaced));
                };
                apply(writer, &desired, &uid, judged_again.insert(existing)).await?
            }
            created => created.map_err(|error| write_failed(desired.name, &error))?,
        },
    };
    writer.context.metrics.secret_written();
    writer.audit("apply", desired.name, Some(metadata.resource_version.clone()));
    let precondition = judged_again.as_ref().unwrap_or(precondition);
    let metadata = withdraw_merged(writer, desired.name, precondition).await?.unwrap_or(metadata);
    delete_previous_target(writer).await?;
    // With Merge the finalizer was set before the write.
    if !inputs.object.spec.merges() {
        set_finalizer(inputs, writer.context).await?;
    }
    Ok(metadata)
}

async fn apply(
    writer: &SecretWriter<'_>,
    desired: &DesiredSecret<'_>,
    uid: &str,
    precondition: &WritePrecondition,
) -> Result<SecretMetadata, Fault> {
    let (secrets, failed) = (&writer.context.secrets, |error: SecretError| write_failed(desired.name, &error));
    if precondition.takes_over {
        let version = secrets.take_over(desired, uid, &precondition.resource_version).await.map_err(failed)?;
        writer.audit("takeOver", desired.name, Some(version));
    }
    match secrets.apply(desired, uid).await {
        Err(SecretError::Immutable) => {}
        // Somebody became the owner again after the Secret was judged. What the answer shows is no later change, so that the
        // watch would not report it.
        Ok(written) if written.foreign_controller(&writer.inputs.uid).is_some() => {
            return Err(failed(SecretError::Controlled));
        }
        applied => return applied.map_err(failed),
    }
    // Type and immutability cannot change in place. The Secret is ours, and it is deleted only once the API server has
    // said in a dry run that it accepts the new one.
    secrets.dry_run_create(desired).await.map_err(failed)?;
    secrets.delete(&writer.inputs.namespace, desired.name, uid).await.map_err(failed)?;
    writer.audit("delete", desired.name, None);
    secrets.create(desired).await.map_err(failed)
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
    let labels = [(OWNER_UID_LABEL, &*inputs.uid), (MANAGED_BY_LABEL, FIELD_MANAGER)];
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
