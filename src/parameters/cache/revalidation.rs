//! When values that did not change are to be decrypted again. Pure; time is an argument.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::batch::queue::NAMES_PER_CALL;

/// The share of its interval by which a value may go before its time, to fill a call.
const EARLY: f64 = 0.1;

/// All values that are to be decrypted again some time.
#[derive(Debug, Default)]
pub struct Revalidations {
    order: BTreeSet<(Instant, ParameterRef)>,
    times: HashMap<ParameterRef, (Instant, Duration)>,
}

impl Revalidations {
    /// Plans a name, which is due every `interval`, for a time.
    pub fn plan(&mut self, parameter_ref: &ParameterRef, at: Instant, interval: Duration) {
        self.forget(parameter_ref);
        self.order.insert((at, parameter_ref.clone()));
        self.times.insert(parameter_ref.clone(), (at, interval));
    }

    /// How often a name is due, if it is planned.
    pub fn interval(&self, parameter_ref: &ParameterRef) -> Option<Duration> {
        self.times.get(parameter_ref).map(|(_, interval)| *interval)
    }

    /// Changes how often a planned name is due, from its next time on.
    pub fn change_interval(&mut self, parameter_ref: &ParameterRef, interval: Duration) {
        if let Some((_, planned)) = self.times.get_mut(parameter_ref) {
            *planned = interval;
        }
    }

    /// Forgets a name.
    pub fn forget(&mut self, parameter_ref: &ParameterRef) {
        if let Some((at, _)) = self.times.remove(parameter_ref) {
            self.order.remove(&(at, parameter_ref.clone()));
        }
    }

    /// Takes the names of one call, if one is due: others that are due soon fill it up. All are planned anew.
    pub fn take_due(&mut self, now: Instant) -> Vec<ParameterRef> {
        if self.order.first().is_none_or(|(at, _)| *at > now) {
            return Vec::new();
        }
        let may_go = |(at, parameter_ref): &&(Instant, ParameterRef)| {
            *at <= now + self.interval(parameter_ref).unwrap_or_default().mul_f64(EARLY)
        };
        let taken: Vec<_> = self.order.iter().take_while(may_go).take(NAMES_PER_CALL).cloned().collect();
        for (_, parameter_ref) in &taken {
            if let Some(interval) = self.interval(parameter_ref) {
                self.plan(parameter_ref, now + interval, interval);
            }
        }
        taken.into_iter().map(|(_, parameter_ref)| parameter_ref).collect()
    }

    /// When the next is due.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::testing::parameter_ref;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_due_soon_goes_along() {
        let (mut plans, now) = (Revalidations::default(), Instant::now());
        for (name, hours) in [("/due", 0), ("/soon", 2), ("/later", 3)] {
            plans.plan(&parameter_ref(name), now + Duration::from_secs(hours * 3_600), DAY);
        }
        assert_eq!(plans.take_due(now), [parameter_ref("/due"), parameter_ref("/soon")]);
        assert_eq!(plans.take_due(now), []);
        assert_eq!(plans.next(), Some(now + Duration::from_secs(3 * 3_600)));
        plans.forget(&parameter_ref("/later"));
        assert_eq!(plans.next(), Some(now + DAY), "planned anew");
    }

    #[test]
    fn a_call_holds_ten() {
        let (mut plans, now) = (Revalidations::default(), Instant::now());
        for number in 0..25 {
            plans.plan(&parameter_ref(&format!("/{number}")), now, DAY);
        }
        let sizes: Vec<_> = std::iter::from_fn(|| Some(plans.take_due(now).len()).filter(|size| *size > 0)).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }
}
