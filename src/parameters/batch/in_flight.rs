//! Calls under way, and those who come late for them. Pure; time is an argument.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::{
    domain::parameter::name::ParameterRef,
    parameters::{
        batch::queue::{QueuedName, Waiter},
        port::Mode,
    },
};

/// The names that are being asked for, each with the newest call for it.
#[derive(Debug, Default)]
pub struct InFlight {
    names: HashMap<(Mode, ParameterRef), Asked>,
}

#[derive(Debug)]
struct Asked {
    began: Instant,
    late: Vec<Waiter>,
}

impl InFlight {
    /// Notes that a call began.
    pub fn begin(&mut self, mode: Mode, batch: &[QueuedName], began: Instant) {
        for item in batch {
            let before = self.names.insert((mode, item.parameter_ref.clone()), Asked { began, late: Vec::new() });
            // Two calls for one name: those who came late for the first may as well have the second's answer.
            if let (Some(before), Some(asked)) = (before, self.names.get_mut(&(mode, item.parameter_ref.clone()))) {
                asked.late = before.late;
            }
        }
    }

    /// Has one wait for the answer of a call that began after `since`. Gives the waiter back if there is none.
    pub fn join(&mut self, mode: Mode, parameter_ref: &ParameterRef, since: Instant, waiter: Waiter) -> Option<Waiter> {
        match self.names.get_mut(&(mode, parameter_ref.clone())).filter(|asked| asked.began >= since) {
            Some(asked) => asked.late.push(waiter),
            None => return Some(waiter),
        }
        None
    }

    /// Notes that a call that began at this time got its answer, and adds those who came late to its names.
    pub fn end(&mut self, mode: Mode, batch: &mut [QueuedName], began: Instant) {
        for item in batch {
            let key = (mode, item.parameter_ref.clone());
            if self.names.get(&key).is_some_and(|asked| asked.began == began)
                && let Some(asked) = self.names.remove(&key)
            {
                item.waiters.extend(asked.late);
            }
        }
    }
}
