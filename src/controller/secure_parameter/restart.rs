//! Restarts the workloads that use a Secret, when that is due.

use std::collections::BTreeMap;

use crate::controller::secure_parameter::inputs::Inputs;
use crate::{
    controller::context::Context,
    domain::{report::attempt::RestartOutcome, schedule::restart::annotation},
};

/// Restarts the workloads if it is time. Returns `None` if it is not.
pub(super) async fn restart_if_due(inputs: &Inputs<'_>, context: &Context) -> Option<RestartOutcome> {
    let (state, spec) = (&inputs.state, &inputs.object.spec);
    let spec_changed = state.status.observed_generation != inputs.object.metadata.generation;
    if spec.is_suspended() || !state.history.restart.is_due(spec_changed, inputs.uptime) {
        return None;
    }
    let Some(secret) = state.status.written_secret().filter(|_| !spec.restart.is_empty()) else {
        return Some(RestartOutcome::Obsolete);
    };
    // The token identifies the change, so a restarted operator does not restart workloads twice for it.
    let token = state.history.restart.token.clone();
    let token = token.unwrap_or_else(|| format!("{}/{}", secret.name, secret.resource_version));
    let (annotation, changed) = (annotation(&inputs.name), state.status.last_change_time.as_ref());
    let mut rollouts = BTreeMap::new();
    for target in &spec.restart {
        let restarted = context.rollouts.restart(&inputs.namespace, target, (&annotation, &token), changed).await;
        for (_, rollout) in &restarted {
            context.metrics.restarted(rollout);
        }
        rollouts.extend(restarted);
    }
    Some(RestartOutcome::Attempted { secret: secret.name, token, rollouts: rollouts.into_iter().collect() })
}
