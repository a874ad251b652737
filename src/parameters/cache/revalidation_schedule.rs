//! When values that did not change are decrypted again. Pure; time is an argument.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::port::NAMES_PER_CALL;

/// The share of its interval by which a value may be decrypted early, to fill a call.
const EARLY: f64 = 0.1;

/// The values that are decrypted again.
#[derive(Debug, Default)]
pub(crate) struct RevalidationSchedule {
    order: BTreeSet<(Instant, ParameterRef)>,
    times: HashMap<ParameterRef, (Instant, Duration)>,
}

impl RevalidationSchedule {
    /// Plans when a value, which is due every `interval`, is due next.
    pub(crate) fn plan(&mut self, parameter_ref: &ParameterRef, at: Instant, interval: Duration) {
        self.forget(parameter_ref);
        self.order.insert((at, parameter_ref.clone()));
        self.times.insert(parameter_ref.clone(), (at, interval));
    }

    /// Returns how often a value is due. `None` if it is not planned.
    pub(crate) fn interval(&self, parameter_ref: &ParameterRef) -> Option<Duration> {
        self.times.get(parameter_ref).map(|(_, interval)| *interval)
    }

    /// Changes how often a value is due after the next time.
    pub(crate) fn set_interval(&mut self, parameter_ref: &ParameterRef, interval: Duration) {
        if let Some((_, planned)) = self.times.get_mut(parameter_ref) {
            *planned = interval;
        }
    }

    /// Removes a value.
    pub(crate) fn forget(&mut self, parameter_ref: &ParameterRef) {
        if let Some((at, _)) = self.times.remove(parameter_ref) {
            self.order.remove(&(at, parameter_ref.clone()));
        }
    }

    /// Takes the values of one call, if one of them is due, and fills the call with values that are due soon. Plans all
    /// of them again.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<ParameterRef> {
        if self.order.first().is_none_or(|(at, _)| *at > now) {
            return Vec::new();
        }
        let is_due_soon = |(at, parameter_ref): &&(Instant, ParameterRef)| {
            *at <= now + self.interval(parameter_ref).unwrap_or_default().mul_f64(EARLY)
        };
        let taken: Vec<_> = self.order.iter().take_while(is_due_soon).take(NAMES_PER_CALL).cloned().collect();
        for (_, parameter_ref) in &taken {
            if let Some(interval) = self.interval(parameter_ref) {
                self.plan(parameter_ref, now + interval, interval);
            }
        }
        taken.into_iter().map(|(_, parameter_ref)| parameter_ref).collect()
    }

    /// Returns when the next value is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::testing::names::parameter_ref;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn values_that_are_due_soon_fill_a_call() {
        let (mut plans, now) = (RevalidationSchedule::default(), Instant::now());
        for (name, hours) in [("/due", 0), ("/soon", 2), ("/later", 3)] {
            plans.plan(&parameter_ref(name), now + Duration::from_secs(hours * 3_600), DAY);
        }
        assert_eq!(plans.take_due(now), [parameter_ref("/due"), parameter_ref("/soon")]);
        assert_eq!(plans.take_due(now), []);
        assert_eq!(plans.next(), Some(now + Duration::from_secs(3 * 3_600)));
        plans.forget(&parameter_ref("/later"));
        assert_eq!(plans.next(), Some(now + DAY), "planned again");
    }

    #[test]
    fn a_call_has_at_most_ten_names() {
        let (mut plans, now) = (RevalidationSchedule::default(), Instant::now());
        for number in 0..25 {
            plans.plan(&parameter_ref(&format!("/{number}")), now, DAY);
        }
        let sizes: Vec<_> = std::iter::from_fn(|| Some(plans.take_due(now).len()).filter(|size| *size > 0)).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }
}
