//! When the version of each name is checked. Pure; time is an argument.
//!
//! Names of one interval form a class. A class is swept ten names at a time, the names that were checked longest ago
//! first, and its sweeps are spread evenly over the interval.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::parameter::{name::ParameterRef, selector::Selector};
use crate::parameters::port::NAMES_PER_CALL;

/// How often a fixed version is checked. It can vanish, but not change.
const FIXED_VERSION_INTERVAL: Duration = Duration::from_secs(3_600);

/// How often a reference to Secrets Manager is checked, which is possible only by decrypting it.
const REFERENCE_INTERVAL: Duration = Duration::from_secs(3_600);

/// The names that are swept.
#[derive(Debug)]
pub(crate) struct SweepSchedule {
    /// When within its period a class is first swept, from 0 to 1.
    offset: f64,
    classes: BTreeMap<Duration, Class>,
}

/// The names of one interval.
#[derive(Debug, Default)]
struct Class {
    /// In the order in which they were last checked.
    order: BTreeSet<(Option<Instant>, ParameterRef)>,
    /// When the next sweep is due.
    next: Option<Instant>,
}

impl SweepSchedule {
    /// Returns a schedule without names.
    pub(crate) const fn new(offset: f64) -> Self {
        Self { offset, classes: BTreeMap::new() }
    }

    /// Takes the names whose check is due: they count as checked `now`, so that the next sweep takes others even if the
    /// results of these take long. Also returns when the next sweep is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> (Vec<ParameterRef>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None);
        for (interval, class) in &mut self.classes {
            let period = interval.div_f64(calls_for(class.order.len()));
            let at = *class.next.get_or_insert_with(|| now + period.mul_f64(self.offset));
            if at <= now {
                due.append(&mut class.take_oldest(now));
                // From the planned time, so that a late sweep does not delay all that follow, unless it is very late.
                class.next = Some((at + period).max(now));
            }
            // More names shorten the period at once.
            class.next = class.next.map(|planned| planned.min(now + period));
            next = [next, class.next].into_iter().flatten().min();
        }
        (due, next)
    }

    /// Moves a name to the class of another interval. `None` stands for no class.
    pub(crate) fn move_name(
        &mut self,
        name: &ParameterRef,
        checked_at: Option<Instant>,
        (from, to): (Option<Duration>, Option<Duration>),
    ) {
        let entry = (checked_at, name.clone());
        if let Some(from) = from
            && let Some(class) = self.classes.get_mut(&from)
        {
            class.order.remove(&entry);
            if class.order.is_empty() {
                self.classes.remove(&from);
            }
        }
        if let Some(to) = to {
            self.classes.entry(to).or_default().order.insert(entry);
        }
    }

    /// Notes that a name of this interval was checked.
    pub(crate) fn checked(
        &mut self,
        name: &ParameterRef,
        interval: Option<Duration>,
        before: Option<Instant>,
        now: Instant,
    ) {
        if let Some(class) = interval.and_then(|interval| self.classes.get_mut(&interval))
            && class.order.remove(&(before, name.clone()))
        {
            class.order.insert((Some(now), name.clone()));
        }
    }

    /// Counts the names that were last checked more than two intervals ago.
    pub(crate) fn overdue(&self, now: Instant) -> usize {
        // In the order of the last check, so that only these are visited, and those that were never checked.
        let of_class = |(interval, class): (&Duration, &Class)| {
            let is_late = |at: &Option<Instant>| at.is_none_or(|at| now - at > 2 * *interval);
            let late = class.order.iter().map(|(at, _)| at).take_while(|at| is_late(at));
            late.filter(|at| at.is_some()).count()
        };
        self.classes.iter().map(of_class).sum()
    }

    /// Returns the calls a second that sweeping takes.
    pub(crate) fn load(&self) -> f64 {
        self.classes.iter().map(|(interval, class)| calls_for(class.order.len()) / interval.as_secs_f64()).sum()
    }
}

impl Class {
    /// Takes the names of one call, and puts them at the end of the order.
    fn take_oldest(&mut self, now: Instant) -> Vec<ParameterRef> {
        let oldest: Vec<_> = self.order.iter().take(NAMES_PER_CALL).cloned().collect();
        for entry in &oldest {
            self.order.remove(entry);
            self.order.insert((Some(now), entry.1.clone()));
        }
        oldest.into_iter().map(|(_, name)| name).collect()
    }
}

/// Returns how often a name is checked whose subscribers want it checked at this interval.
pub(crate) fn interval_of(name: &ParameterRef, shortest: Option<Duration>) -> Option<Duration> {
    match name.selector {
        Some(Selector::Version(_)) => shortest.map(|interval| interval.max(FIXED_VERSION_INTERVAL)),
        _ if name.is_reference() => shortest.map(|interval| interval.max(REFERENCE_INTERVAL)),
        _ => shortest,
    }
}

/// Returns how many calls, or pages of a listing, this many names take. At least one.
pub(crate) fn calls_for(names: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer names than a float counts exactly")]
    let calls = names.div_ceil(NAMES_PER_CALL).max(1) as f64;
    calls
}
