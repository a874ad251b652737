//! The finalizer of an object whose keys have to leave a Secret of others before the object goes.

use kube::ResourceExt;

use crate::controller::secure_parameter::inputs::Inputs;
use crate::{
    api::{Reason, ReclaimPolicy, names::MERGE_FINALIZER},
    controller::context::Context,
    domain::Fault,
};

/// Reports whether the object has the finalizer.
pub(super) fn has_finalizer(inputs: &Inputs<'_>) -> bool {
    inputs.object.finalizers().iter().any(|finalizer| finalizer == MERGE_FINALIZER)
}

/// Removes a finalizer that the object does not need any more, whatever else is wrong with it.
pub(super) async fn remove_stale_finalizer(inputs: &Inputs<'_>, context: &Context) {
    let spec = &inputs.object.spec;
    let keeps_keys = spec.merges() && spec.reclaim_policy() == ReclaimPolicy::Retain;
    if keeps_keys && let Err(fault) = set_finalizer(inputs, context).await {
        tracing::warn!(reason = fault.reason.as_str(), "{}", fault.message);
    }
}

/// Sets the finalizer of an object whose keys have to be taken back when it is deleted, and removes it from all others.
pub(super) async fn set_finalizer(inputs: &Inputs<'_>, context: &Context) -> Result<(), Fault> {
    let spec = &inputs.object.spec;
    let is_needed = spec.merges() && spec.reclaim_policy() == ReclaimPolicy::Delete;
    if has_finalizer(inputs) == is_needed {
        return Ok(());
    }
    let problem = match context.finalizers.set(inputs.object, is_needed).await {
        Ok(true) => return Ok(()),
        // Nobody would take the keys back.
        Ok(false) => "it was deleted".to_owned(),
        Err(error) => error.to_string(),
    };
    let change = if is_needed { "set" } else { "removed" };
    let message = format!(
        "The finalizer of SecureParameter {} could not be {change} ({problem}); the operator tries again.",
        inputs.name
    );
    Err(Fault::new(Reason::SecretWriteFailed, message))
}
