//! Keys in a Secret that others made: put there, and taken back when the object goes.

use crate::controller::secure_parameter::{
    finalizer::set_finalizer,
    inputs::Inputs,
    writer::{SecretWriter, WritePrecondition, write_failed},
};
use crate::{
    api::{Reason, ReclaimPolicy, names::merge_manager},
    controller::context::Context,
    domain::{
        Fault,
        ownership::{
            merge::must_force,
            types::{FieldOwnership, SecretMetadata},
        },
    },
    kubernetes::secrets::{errors::SecretError, write::DesiredSecret},
};

/// Puts the object's keys into the Secret.
pub(super) async fn put_keys(
    writer: &SecretWriter<'_>,
    desired: &DesiredSecret<'_>,
    uid: &str,
    precondition: &WritePrecondition,
) -> Result<SecretMetadata, Fault> {
    let (inputs, context) = (writer.inputs, writer.context);
    set_finalizer(inputs, context).await?;
    let keys = || desired.data.keys().map(AsRef::as_ref);
    let before = fields_before(inputs, uid, keys());
    let holder = |manager: &str| holder(inputs, context, manager);
    let by_force = must_force(desired.name, keys(), &precondition.fields, before.as_ref(), holder)?;
    let by_force = by_force.then_some(precondition.resource_version.as_str());
    context.secrets.apply_keys(desired, uid, by_force).await.map_err(|error| match error {
        SecretError::Immutable => {
            let message = format!(
                "Secret {} is immutable, so no keys can be added; recreate it without immutable: true, or choose another \
                 spec.target.name.",
                desired.name
            );
            Fault::new(Reason::SecretConflict, message)
        }
        error => write_failed(desired.name, &error),
    })
}

/// The fields that the object held when it last wrote this Secret. After a restart of the operator the status tells: the
/// same spec gave the same keys to the same Secret.
fn fields_before<'k>(inputs: &Inputs<'_>, uid: &str, keys: impl Iterator<Item = &'k str>) -> Option<FieldOwnership> {
    if let Some(snapshot) = &inputs.state.secret {
        return (snapshot.uid == uid).then(|| snapshot.fields.ownership());
    }
    let status = &inputs.state.status;
    let is_same_secret = status.written_secret().is_some_and(|secret| secret.uid == uid);
    let is_same_spec = status.observed_generation == inputs.object.metadata.generation;
    (is_same_secret && is_same_spec && status.ready_reason() == Some(Reason::Synced))
        .then(|| FieldOwnership { ours: keys.map(|key| format!("data/{key}")).collect(), ..FieldOwnership::default() })
}

/// A field manager, by the name of the object if it is one of ours.
fn holder(inputs: &Inputs<'_>, context: &Context, manager: &str) -> String {
    let uid = manager.strip_prefix(&merge_manager(""));
    let name = uid.and_then(|uid| context.index.lock().name_of(&inputs.namespace, uid));
    name.map_or_else(|| manager.to_owned(), |name| format!("SecureParameter {name}"))
}

/// Ends the merge into a Secret that the object now writes whole. Returns the Secret after that, if there was one.
pub(super) async fn withdraw_merged(
    writer: &SecretWriter<'_>,
    name: &str,
    precondition: &WritePrecondition,
) -> Result<Option<SecretMetadata>, Fault> {
    let (inputs, context) = (writer.inputs, writer.context);
    let manager = merge_manager(&inputs.uid);
    if inputs.manager == manager || !precondition.fields.managers.contains(&manager) {
        return Ok(None);
    }
    let failed = |error| write_failed(name, &error);
    withdraw_keys(writer, name).await.map_err(failed)?;
    context.secrets.metadata(&inputs.namespace, name, &inputs.manager).await.map_err(failed)
}

/// Removes the object's keys from a Secret of another owner, unless they are to be retained. Reports whether there were
/// any.
pub(super) async fn withdraw_keys(writer: &SecretWriter<'_>, name: &str) -> Result<bool, SecretError> {
    let (inputs, secrets) = (writer.inputs, &writer.context.secrets);
    let (namespace, manager) = (&inputs.namespace, merge_manager(&inputs.uid));
    let metadata = secrets.metadata(namespace, name, &manager).await?;
    let Some(metadata) = metadata.filter(|metadata| !metadata.fields.ours.is_empty()) else { return Ok(false) };
    if inputs.object.spec.reclaim_policy() == ReclaimPolicy::Delete || metadata.owner_uid.is_some() {
        secrets.remove_applied(namespace, name, &metadata.uid, &manager).await?;
        writer.audit("withdraw", name, None);
    }
    Ok(true)
}
