//! The version checks that are running, so that no name is checked twice at a time and a check that nobody needs any
//! more can be stopped. Pure.

use std::collections::{HashMap, hash_map::Entry};

use tokio::{task::AbortHandle, time::Instant};

use crate::domain::parameter::name::ParameterRef;

/// The names that are being checked.
#[derive(Debug, Default)]
pub(crate) struct RunningChecks(HashMap<ParameterRef, RunningCheck>);

#[derive(Debug)]
struct RunningCheck {
    since: Instant,
    task: Option<AbortHandle>,
}

impl RunningChecks {
    /// Begins a check. Reports false if one is running.
    pub(crate) fn begin(&mut self, parameter_ref: &ParameterRef, now: Instant) -> bool {
        match self.0.entry(parameter_ref.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(RunningCheck { since: now, task: None });
                true
            }
        }
    }

    /// Returns the names that are being checked, and since when each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ParameterRef, Instant)> {
        self.0.iter().map(|(name, check)| (name, check.since))
    }

    /// Sets the task of a check. Stops the task if the check was stopped before it had one.
    pub(crate) fn set_task(&mut self, parameter_ref: &ParameterRef, task: AbortHandle) {
        match self.0.get_mut(parameter_ref) {
            Some(running) => running.task = Some(task),
            None => task.abort(),
        }
    }

    /// Ends a check.
    pub(crate) fn end(&mut self, parameter_ref: &ParameterRef) {
        self.0.remove(parameter_ref);
    }

    /// Stops a check, if one is running.
    pub(crate) fn stop(&mut self, parameter_ref: &ParameterRef) {
        if let Some(task) = self.0.remove(parameter_ref).and_then(|check| check.task) {
            task.abort();
        }
    }
}
