//! When an object is compared without any cause, in case a change of it was lost.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use crate::domain::schedule::uptime::Uptime;

/// Interval at which each object is compared. client-go's informers resync at the same interval by default.
pub(crate) const INTERVAL: Duration = Duration::from_hours(10);

/// Reports whether the object with this uid is due after `from` and until `to`, which are less than an interval apart.
/// Each object has a time of its own within the interval, so that they are spread over it.
pub(crate) fn is_due(uid: &str, from: Uptime, to: Uptime) -> bool {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    let interval = INTERVAL.as_millis();
    let offset = u128::from(hasher.finish()) % interval;
    // How often the object was due until a time.
    let count = |at: Uptime| (at.as_millis() + interval - offset) / interval;
    count(to) > count(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_object_is_due_once_an_interval() {
        for uid in ["a", "b", "c", "5f0c1a3e-0a52-4c1c-9b0e-1d5a3c8f7e21"] {
            let due = |minutes: std::ops::Range<u32>| {
                minutes.filter(|minute| is_due(uid, MINUTE * *minute, MINUTE * (minute + 1))).collect::<Vec<_>>()
            };
            let (first, second) = (due(0..600), due(600..1_200));
            assert_eq!(first.len(), 1, "{uid}");
            assert_eq!(second, [first[0] + 600], "{uid}");
        }
    }

    #[test]
    fn the_length_of_a_step_does_not_matter() {
        let seconds = (0..36_000).map(|second| (Duration::from_secs(second), Duration::from_secs(second + 1)));
        assert_eq!(seconds.filter(|(from, to)| is_due("a", *from, *to)).count(), 1);
        assert!(is_due("a", MINUTE * 7, MINUTE * 7 + INTERVAL));
        assert!(!is_due("a", MINUTE, MINUTE));
    }

    #[test]
    fn objects_are_spread_over_the_interval() {
        let mut due = [0; 600];
        for uid in 0..6_000 {
            let uid = format!("uid-{uid}");
            let minute = (0..600).find(|minute| is_due(&uid, MINUTE * *minute, MINUTE * (minute + 1)));
            due[usize::try_from(minute.expect("a minute")).expect("an index")] += 1;
        }
        // Ten to a minute on average.
        assert!(due.iter().all(|count| *count <= 30), "{due:?}");
    }
}
