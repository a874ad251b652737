//! Restarts the workloads that use a Secret, once after it changed and stayed the same for a while.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::controller::secure_parameter::Pass;
use crate::{
    api::{Condition, Conditions, Reason, status::WrittenSecret},
    controller::secure_parameter::state::{PendingRestart, Restarted},
    domain::{
        audit::to_seconds,
        report::event,
        schedule::restart::{QUIET, Summary, Write, annotation, summary},
    },
};

impl Pass<'_> {
    /// Plans a restart if a write calls for one. The status says so from that write on, so that it is not forgotten.
    pub(crate) fn plan_restart(&mut self, write: Write, secret: &WrittenSecret) {
        if self.object.spec.restart.is_empty() || !write.calls_for_restart() {
            return;
        }
        self.memory.restart_token = Some(format!("{}/{}", secret.name, secret.resource_version));
        self.memory.plan_restart(Instant::now());
        let message = format!(
            "Secret {} changed at {}; the workloads are restarted {} s after its last change.",
            self.object.secret_name(),
            to_seconds(self.now),
            QUIET.as_secs()
        );
        self.memory.restarted = Some(Restarted { is_done: false, reason: Reason::RestartPending, message });
    }

    /// Restarts the workloads if it is time. What could not be restarted is tried again with another spec.
    pub(crate) async fn restart_when_due(&mut self) -> Result<(), kube::Error> {
        let now = Instant::now();
        let is_corrected = self.memory.status.observed_generation != self.object.metadata.generation;
        if is_corrected
            && self.memory.restarted.as_ref().is_some_and(|restarted| restarted.reason == Reason::RestartFailed)
        {
            self.memory.restart = Some(PendingRestart { since: now, due: now });
        }
        let is_due = |restart: &PendingRestart| restart.due <= now;
        if self.memory.restart.as_ref().is_none_or(|restart| !is_due(restart)) {
            return Ok(());
        }
        self.memory.restart = None;
        let before = self.memory.status.clone();
        let Some(secret) = before.secret.as_ref().filter(|_| !self.object.spec.restart.is_empty()) else {
            self.memory.restarted = None;
            return Ok(());
        };
        // The same for all that is restarted for this version of the Secret, and never again for another: whoever
        // goes on after a crash restarts nothing twice.
        let token = self.memory.restart_token.clone();
        let token = token.unwrap_or_else(|| format!("{}/{}", secret.name, secret.resource_version));
        let (annotation, mut rollouts) = (annotation(&self.name), BTreeMap::new());
        for target in &self.object.spec.restart {
            let changed = before.last_change_time.as_ref();
            let restart = self.context.rollouts.restart(&self.namespace, target, (&annotation, &token), changed);
            rollouts.extend(restart.await);
        }
        let rollouts: Vec<_> = rollouts.into_iter().collect();
        let Summary { is_done, again, reason, message } = summary(&secret.name, &rollouts);
        self.memory.restart = again.map(|again| PendingRestart { since: now, due: Instant::now() + again });
        let said = Some(Restarted { is_done, reason, message });
        if said == self.memory.restarted {
            return Ok(());
        }
        if let Some(Restarted { message, .. }) = &said {
            let event = event::of_restart(&self.name, &self.uid, &token, is_done, reason, message);
            self.emit(Some(event), self.now).await;
        }
        self.memory.restarted = said;
        self.show((*before).clone()).await
    }

    /// The condition `Restarted`, if there is something to say.
    pub(crate) fn restarted(&self) -> Option<Condition> {
        let Restarted { is_done, reason, message } = self.memory.restarted.as_ref()?;
        let said = !self.object.spec.restart.is_empty();
        let previous = &self.memory.status.conditions;
        said.then(|| {
            let conditions = Conditions::new(previous, self.object.metadata.generation, self.now);
            conditions.restarted(*is_done, *reason, message)
        })
    }
}
