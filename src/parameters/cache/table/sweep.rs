//! When which name is looked at: names of one interval are swept in the order in which they were last asked for.

use std::{
    collections::{BTreeSet, hash_map::Entry},
    time::Duration,
};

use tokio::{task::AbortHandle, time::Instant};

use crate::parameters::cache::table::Index;
use crate::{
    domain::parameter::{name::ParameterRef, selector::Selector},
    parameters::batch::queue::NAMES_PER_CALL,
};

/// How often a fixed version is looked at, which can vanish but not change.
const FIXED_VERSION_INTERVAL: Duration = Duration::from_secs(3_600);

/// How often a secret of Secrets Manager is looked at, which cannot be done without decrypting it.
const REFERENCE_INTERVAL: Duration = Duration::from_secs(3_600);

/// Names of one interval, in the order in which they were last asked for.
#[derive(Debug, Default)]
pub(crate) struct Class {
    pub(crate) order: BTreeSet<(Option<Instant>, ParameterRef)>,
    /// When the next sweep is due.
    next: Option<Instant>,
}

impl Index {
    /// The names to look at now, and when to ask next. Whoever looks at a name says so when that is over.
    pub fn due(&mut self, now: Instant) -> (Vec<ParameterRef>, Option<Instant>) {
        let mut due: Vec<_> = std::mem::take(&mut self.urgent).into_iter().collect();
        let mut next = None;
        for (interval, class) in &mut self.classes {
            let period = interval.div_f64(calls(class.order.len()));
            let at = *class.next.get_or_insert_with(|| now + period.mul_f64(self.offset));
            if at <= now {
                let longest_ago: Vec<_> = class.order.iter().take(NAMES_PER_CALL).cloned().collect();
                for entry in longest_ago {
                    class.order.remove(&entry);
                    let parameter_ref = entry.1;
                    // From now on, so that the next sweep goes on with others even if the answer takes its time.
                    if let Some(tracked) = self.names.get_mut(&parameter_ref) {
                        tracked.asked_at = Some(now);
                        class.order.insert((Some(now), parameter_ref.clone()));
                        due.push(parameter_ref);
                    }
                }
                // From the planned time, so that a late look does not shift all that follow; unless it is very late.
                class.next = Some((at + period).max(now));
            }
            // More names mean a shorter period at once.
            class.next = class.next.map(|planned| planned.min(now + period));
            next = [next, class.next].into_iter().flatten().min();
        }
        // A name that is being looked at is not asked for twice.
        due.retain(|parameter_ref| match self.looking.entry(parameter_ref.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(None);
                true
            }
        });
        (due, next)
    }

    /// Notes how to stop a look at a name, or stops it at once if nobody wants the name any more.
    pub fn looking(&mut self, parameter_ref: &ParameterRef, look: AbortHandle) {
        match self.looking.get_mut(parameter_ref) {
            Some(stop) => *stop = Some(look),
            None => look.abort(),
        }
    }

    /// Notes that a look at a name is over.
    pub fn looked(&mut self, parameter_ref: &ParameterRef) {
        self.looking.remove(parameter_ref);
    }

    /// Calls a second that sweeping takes at the wanted intervals.
    pub fn load(&self) -> f64 {
        let load = |(interval, class): (&Duration, &Class)| calls(class.order.len()) / interval.as_secs_f64();
        self.classes.iter().map(load).sum::<f64>() + self.listings.load()
    }

    /// Puts a name into the class of its shortest wanted interval.
    pub(crate) fn reclassify(&mut self, name: &ParameterRef) {
        let Some(tracked) = self.names.get_mut(name) else { return };
        let shortest = tracked.subscribers.values().filter_map(|terms| terms.interval).min();
        let interval = match name.selector {
            Some(Selector::Version(_)) => shortest.map(|interval| interval.max(FIXED_VERSION_INTERVAL)),
            _ if name.is_reference() => shortest.map(|interval| interval.max(REFERENCE_INTERVAL)),
            _ => shortest,
        };
        if interval == tracked.interval {
            return;
        }
        let entry = (tracked.asked_at, name.clone());
        if let Some(former) = std::mem::replace(&mut tracked.interval, interval)
            && let Some(class) = self.classes.get_mut(&former)
        {
            class.order.remove(&entry);
            if class.order.is_empty() {
                self.classes.remove(&former);
            }
        }
        if let Some(interval) = interval {
            self.classes.entry(interval).or_default().order.insert(entry);
        }
    }
}

/// How many calls it takes to look at so many names.
pub fn calls(names: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer names than a float counts")]
    let calls = names.div_ceil(NAMES_PER_CALL).max(1) as f64;
    calls
}
