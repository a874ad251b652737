//! When values that did not change are to be decrypted again. Pure; time is an argument.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::pending::NAMES_PER_CALL;
use crate::domain::parameter::Wanted;

/// The share of its interval by which a value may go before its time, to fill a call.
const EARLY: f64 = 0.1;

/// All values that are to be decrypted again some time.
#[derive(Debug, Default)]
pub struct Revalidations {
    order: BTreeSet<(Instant, Wanted)>,
    times: HashMap<Wanted, (Instant, Duration)>,
}

impl Revalidations {
    /// Plans a name, which is due every `interval`, for a time.
    pub fn plan(&mut self, wanted: &Wanted, at: Instant, interval: Duration) {
        self.forget(wanted);
        self.order.insert((at, wanted.clone()));
        self.times.insert(wanted.clone(), (at, interval));
    }

    /// How often a name is due, if it is planned.
    pub fn interval(&self, wanted: &Wanted) -> Option<Duration> {
        self.times.get(wanted).map(|(_, interval)| *interval)
    }

    /// Changes how often a planned name is due, from its next time on.
    pub fn change_interval(&mut self, wanted: &Wanted, interval: Duration) {
        if let Some((_, planned)) = self.times.get_mut(wanted) {
            *planned = interval;
        }
    }

    /// Forgets a name.
    pub fn forget(&mut self, wanted: &Wanted) {
        if let Some((at, _)) = self.times.remove(wanted) {
            self.order.remove(&(at, wanted.clone()));
        }
    }

    /// Takes the names of one call, if one is due: others that are due soon fill it up. All are planned anew.
    pub fn take_due(&mut self, now: Instant) -> Vec<Wanted> {
        if self.order.first().is_none_or(|(at, _)| *at > now) {
            return Vec::new();
        }
        let may_go =
            |(at, wanted): &&(Instant, Wanted)| *at <= now + self.interval(wanted).unwrap_or_default().mul_f64(EARLY);
        let taken: Vec<_> = self.order.iter().take_while(may_go).take(NAMES_PER_CALL).cloned().collect();
        for (_, wanted) in &taken {
            if let Some(interval) = self.interval(wanted) {
                self.plan(wanted, now + interval, interval);
            }
        }
        taken.into_iter().map(|(_, wanted)| wanted).collect()
    }

    /// When the next is due.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::testing::wanted;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_due_soon_goes_along() {
        let (mut plans, now) = (Revalidations::default(), Instant::now());
        for (name, hours) in [("/due", 0), ("/soon", 2), ("/later", 3)] {
            plans.plan(&wanted(name), now + Duration::from_secs(hours * 3_600), DAY);
        }
        assert_eq!(plans.take_due(now), [wanted("/due"), wanted("/soon")]);
        assert_eq!(plans.take_due(now), []);
        assert_eq!(plans.next(), Some(now + Duration::from_secs(3 * 3_600)));
        plans.forget(&wanted("/later"));
        assert_eq!(plans.next(), Some(now + DAY), "planned anew");
    }

    #[test]
    fn a_call_holds_ten() {
        let (mut plans, now) = (Revalidations::default(), Instant::now());
        for number in 0..25 {
            plans.plan(&wanted(&format!("/{number}")), now, DAY);
        }
        let sizes: Vec<_> = std::iter::from_fn(|| Some(plans.take_due(now).len()).filter(|size| *size > 0)).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }
}
