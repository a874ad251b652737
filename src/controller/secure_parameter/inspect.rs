//! Looks at the Secret that was last written.

use crate::controller::secure_parameter::{inputs::Inputs, writer::write_failed};
use crate::{
    controller::context::Context,
    domain::{
        Fault,
        ownership::drift::{Expected, SecretSnapshot, secret_state},
        plan::types::Plan,
        schedule::decide::SecretState,
    },
};

/// Compares the Secret with what was last written. The cache suffices where it shows just that; else the API server is
/// asked, because the cache may be behind. Then an intact Secret is returned as well.
///
/// # Errors
/// `SecretWriteFailed` if the API server does not answer.
pub(super) async fn inspect_secret(
    inputs: &Inputs<'_>,
    plan: &Plan,
    context: &Context,
) -> Result<(SecretState, Option<SecretSnapshot>), Fault> {
    let Some(recorded) = inputs.state.status.written_secret() else { return Ok((SecretState::Missing, None)) };
    let (merges, snapshot) = (inputs.object.spec.merges(), inputs.state.secret.as_ref());
    if merges {
        context.follow_secret(&inputs.namespace, &inputs.uid, Some((&inputs.namespace, &recorded.name)))?;
    }
    let expected_version = snapshot.map_or(&recorded.resource_version, |snapshot| &snapshot.resource_version);
    if inputs.cached_secret.as_ref() == Some(expected_version) {
        return Ok((SecretState::Intact, None));
    }
    let metadata = context.secrets.metadata(&inputs.namespace, &recorded.name, &inputs.manager).await;
    let Some(metadata) = metadata.map_err(|error| write_failed(&recorded.name, &error))? else {
        return Ok((SecretState::Missing, None));
    };
    let is_ours = if merges {
        metadata.consents_to_merge(inputs.claimant())
    } else {
        // Whoever controls the Secret besides would have it deleted with themselves.
        metadata.owner_uid.as_deref() == Some(&inputs.uid) && metadata.foreign_controller(&inputs.uid).is_none()
    };
    let required_keys: Vec<_> = plan.required_keys().collect();
    let expected = Expected {
        uid: &recorded.uid,
        resource_version: &recorded.resource_version,
        keys: recorded.keys,
        required_keys: &required_keys,
        snapshot,
        merges,
    };
    let state = secret_state(&metadata, is_ours, &expected);
    let intact = (state == SecretState::Intact).then(|| metadata.into());
    Ok((state, intact))
}
