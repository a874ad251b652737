//! Names that made a call fail, and are requested alone until they succeed. Pure; time is an argument.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;

/// How long a name stays isolated that nobody requests any more.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// The isolated names, and when each last failed.
#[derive(Debug, Default)]
pub(crate) struct Isolation {
    failed_at: HashMap<ParameterRef, Instant>,
    prune_at: usize,
}

impl Isolation {
    /// Isolates a name.
    pub(crate) fn begin(&mut self, parameter_ref: &ParameterRef, now: Instant) {
        self.failed_at.insert(parameter_ref.clone(), now);
        if self.failed_at.len() > self.prune_at {
            self.failed_at.retain(|_, failed_at| now.saturating_duration_since(*failed_at) < MAX_AGE);
            self.prune_at = 2 * self.failed_at.len();
        }
    }

    /// Ends the isolation of a name.
    pub(crate) fn end(&mut self, parameter_ref: &ParameterRef) {
        self.failed_at.remove(parameter_ref);
    }

    /// Reports whether a name is isolated.
    pub(crate) fn contains(&self, parameter_ref: &ParameterRef) -> bool {
        self.failed_at.contains_key(parameter_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::testing::names::parameter_ref;

    #[test]
    fn names_that_fail_no_more_are_forgotten_after_an_hour() {
        let (mut isolation, start) = (Isolation::default(), Instant::now());
        for number in 0..100_000_u32 {
            isolation.begin(&parameter_ref(&format!("/{number}")), start + Duration::from_secs(10) * number);
        }
        assert!(isolation.contains(&parameter_ref("/99999")) && !isolation.contains(&parameter_ref("/0")));
        assert!(isolation.failed_at.len() <= 2 * 360, "{}", isolation.failed_at.len());
    }
}
