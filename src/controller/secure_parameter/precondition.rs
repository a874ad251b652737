//! May the object write its Secret, and on which condition?

use std::collections::BTreeSet;

use crate::controller::secure_parameter::{
    inputs::Inputs,
    writer::{WritePrecondition, write_failed},
};
use crate::{
    api::Reason,
    controller::context::Context,
    domain::{
        Fault,
        ownership::{
            merge::decide_merge,
            owner::decide_ownership,
            types::{SecretMetadata, Verdict},
        },
        schedule::decide::{Purpose, SecretState},
    },
};

/// Decides whether the object may write its Secret, and on which condition.
///
/// # Errors
/// `SecretConflict` if the Secret is somebody else's; `SecretContested` if it was repaired too often;
/// `SecretWriteFailed` if it is being deleted or cannot be read.
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
            context.follow_secret(&inputs.namespace, &inputs.uid, None)?;
            WritePrecondition::new(Some(recorded.uid), recorded.resource_version)
        }
        _ if is_new(inputs, context) => WritePrecondition::new(None, String::new()),
        _ => judge_existing(inputs, context).await?,
    };
    if purpose.is_repair() && !inputs.state.history.repairs.allows(context.uptime()) {
        return Err(contested(inputs, context).await);
    }
    Ok(precondition)
}

/// The Secret of a new object most likely does not exist; if it does, `create` fails and it is judged then.
fn is_new(inputs: &Inputs<'_>, context: &Context) -> bool {
    let name = inputs.object.secret_name();
    let has_rival = || context.index.lock().older_claimant(&inputs.namespace, name, &inputs.uid).is_some();
    !inputs.state.status.is_reported() && !inputs.object.spec.merges() && !has_rival()
}

/// Decides by the Secret that exists.
///
/// # Errors
/// `SecretConflict` if it is somebody else's; `SecretWriteFailed` if it is being deleted or cannot be read.
pub(super) async fn judge_existing(inputs: &Inputs<'_>, context: &Context) -> Result<WritePrecondition, Fault> {
    let (namespace, name) = (&inputs.namespace, inputs.object.secret_name());
    let existing = context.secrets.metadata(namespace, name, &inputs.manager).await;
    let existing = existing.map_err(|error| write_failed(name, &error))?;
    let merges = inputs.object.spec.merges();
    let verdict = {
        let index = context.index.lock();
        let holder = |uid: &str| index.name_of(namespace, uid);
        if merges {
            decide_merge(existing.as_ref(), inputs.claimant(), holder)
        } else {
            let older = index.older_claimant(namespace, name, &inputs.uid);
            decide_ownership(existing.as_ref(), inputs.claimant(), holder, older.as_deref())
        }
    };
    // A Secret that is in the way is watched, so that its deletion or consent is noticed at once. One to merge into is
    // always watched.
    let is_watched = merges || matches!(verdict, Verdict::Refuse(_)) && existing.is_some();
    context.follow_secret(namespace, &inputs.uid, is_watched.then_some((&**namespace, name)))?;
    let SecretMetadata { resource_version, fields, .. } = existing.unwrap_or_default();
    let (uid, takes_over) = match verdict {
        Verdict::Create => (None, false),
        Verdict::Apply { uid } => (Some(uid), false),
        Verdict::TakeOver { uid } => (Some(uid), true),
        Verdict::Refuse(fault) => return Err(fault),
    };
    Ok(WritePrecondition { uid, takes_over, resource_version, fields })
}

async fn contested(inputs: &Inputs<'_>, context: &Context) -> Fault {
    let name = inputs.object.secret_name();
    let metadata = context.secrets.metadata(&inputs.namespace, name, &inputs.manager).await.ok().flatten();
    // In a Secret of others, the keys that they hold beside ours are theirs.
    let snapshot = inputs.state.secret.as_ref().filter(|_| inputs.object.spec.merges());
    let ours = snapshot.map(|snapshot| snapshot.fields.ownership().ours);
    let is_disputed = |path: &String| ours.as_ref().is_none_or(|ours| ours.contains(path));
    let metadata = metadata.unwrap_or_default();
    if let Some(controller) = metadata.foreign_controller(&inputs.uid).filter(|_| !inputs.object.spec.merges()) {
        let controller = &controller.name;
        let message = format!(
            "{controller} keeps making itself the owner of Secret {name}, and the operator undoes that at most three times a \
             minute; stop its controller, or set spec.target.reclaimPolicy to Delete and then delete {controller}: with Retain, \
             its deletion deletes the Secret too."
        );
        return Fault::new(Reason::SecretContested, message);
    }
    let foreign = metadata.fields.foreign.into_iter();
    let managers: BTreeSet<_> = foreign.filter(|(path, _)| is_disputed(path)).map(|(_, manager)| manager).collect();
    let who = if managers.is_empty() {
        "Somebody".to_owned()
    } else {
        format!("Field manager {}", managers.into_iter().collect::<Vec<_>>().join(", "))
    };
    let alternative = if inputs.object.spec.merges() {
        "remove the disputed keys from the spec"
    } else {
        "set spec.target.creationPolicy to Merge if both are meant to write: the other then makes the Secret, with the \
         annotation secureparameter.io/allow, and each keeps its own keys"
    };
    let message = format!(
        "{who} keeps changing or deleting Secret {name}, and the operator restores it at most three times a minute; stop \
         the other writer, or {alternative}."
    );
    Fault::new(Reason::SecretContested, message)
}
