//! The calls in flight, and the requests that join them. Pure; time is an argument.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::{
    batch::requests::{QueuedName, Waiter},
    port::ReadMode,
};

/// The names of all calls in flight, each with the newest call for it.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    names: HashMap<(ReadMode, ParameterRef), Call>,
}

#[derive(Debug)]
struct Call {
    began: Instant,
    joined: Vec<Waiter>,
}

impl InFlight {
    /// Notes that a call began.
    pub(crate) fn begin(&mut self, mode: ReadMode, names: &[QueuedName], began: Instant) {
        for name in names {
            let call = self
                .names
                .entry((mode, name.parameter_ref.clone()))
                .or_insert_with(|| Call { began, joined: Vec::new() });
            // Where two calls ask for one name, those who joined the first get the reply of the second, which is newer.
            call.began = began;
        }
    }

    /// Joins a call that began at `not_before` or later. Returns the waiter if there is no such call.
    pub(crate) fn join(
        &mut self,
        mode: ReadMode,
        parameter_ref: &ParameterRef,
        not_before: Instant,
        waiter: Waiter,
    ) -> Option<Waiter> {
        match self.names.get_mut(&(mode, parameter_ref.clone())).filter(|call| call.began >= not_before) {
            Some(call) => {
                call.joined.push(waiter);
                None
            }
            None => Some(waiter),
        }
    }

    /// Notes that the call that began at this time has ended. Returns those who joined it.
    pub(crate) fn end<'n>(
        &mut self,
        mode: ReadMode,
        names: impl Iterator<Item = &'n ParameterRef>,
        began: Instant,
    ) -> HashMap<ParameterRef, Vec<Waiter>> {
        let mut joined = HashMap::new();
        for name in names {
            let key = (mode, name.clone());
            if self.names.get(&key).is_some_and(|call| call.began == began)
                && let Some(call) = self.names.remove(&key)
            {
                joined.insert(key.1, call.joined);
            }
        }
        joined
    }
}
