//! Which of two answers about one parameter is the newer one. Pure; time is an argument.
//!
//! AWS is eventually consistent: an answer may be older than one that came before. Written to a Secret, it would bring
//! old values back.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::parameter::{name::ParameterRef, revision::Metadata};

/// The shortest and the longest time until a name is checked again whose last answer was stale.
const CHECK_AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// How long answers must go on naming an older version before it is believed, where that is possible at all: a label can
/// be moved back, and so can the current version of a secret.
const BELIEVED_AFTER: Duration = Duration::from_secs(5);

/// The same for all other parameters. No replica of AWS is behind for so long; rather the time of the newer version was
/// wrong, and without this the parameter would never follow again.
const BELIEVED_AT_LAST: Duration = Duration::from_secs(600);

/// The age of a version. Later is greater. A parameter that was deleted and created again starts over at version 1, but
/// at a later time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionAge {
    modified: Option<Timestamp>,
    version: i64,
}

impl VersionAge {
    /// Returns the age of a version that was written at this time, if that is known.
    pub(crate) const fn new(version: i64, modified: Option<Timestamp>) -> Self {
        Self { modified, version }
    }

    /// Returns the age of a version.
    pub(crate) const fn of(metadata: &Metadata) -> Self {
        Self::new(metadata.version, metadata.last_modified)
    }

    fn is_before(self, other: Self) -> bool {
        match (self.modified, other.modified) {
            (Some(one), Some(other_time)) => (one, self.version) < (other_time, other.version),
            _ => self.version < other.version,
        }
    }
}

/// The newest version of a parameter that was seen, and an older one that was answered since.
#[derive(Debug, Default)]
pub(crate) struct NewestSeen {
    newest: Option<VersionAge>,
    /// Whether only a status says so, and not AWS. Anybody may have written it.
    is_from_status: bool,
    older: Option<Box<(VersionAge, Instant)>>,
}

impl NewestSeen {
    /// Takes an answer. Reports false if it is stale.
    pub(crate) fn take(&mut self, parameter_ref: &ParameterRef, age: VersionAge, now: Instant) -> bool {
        if self.newest.is_none_or(|newest| !age.is_before(newest)) {
            *self = Self { newest: Some(age), is_from_status: false, older: None };
            return true;
        }
        let since = self.older.as_ref().filter(|older| older.0 == age).map_or(now, |older| older.1);
        self.older = Some(Box::new((age, since)));
        let may_go_back = parameter_ref.selector.is_some() || parameter_ref.is_reference() || self.is_from_status;
        let believed_after = if may_go_back { BELIEVED_AFTER } else { BELIEVED_AT_LAST };
        if now.saturating_duration_since(since) >= believed_after {
            *self = Self { newest: Some(age), is_from_status: false, older: None };
            return true;
        }
        false
    }

    /// Returns how soon to check again after a stale answer: less and less often while the answers stay the same.
    pub(crate) fn check_again_in(&self, now: Instant) -> Duration {
        let stale_for = self.older.as_ref().map(|older| now.saturating_duration_since(older.1));
        let (shortest, longest) = CHECK_AGAIN;
        stale_for.unwrap_or_default().clamp(shortest, longest)
    }

    /// Restores what a status says was seen before a restart. AWS is believed instead if it goes on naming an older
    /// version, and nothing that AWS itself has said since is replaced.
    pub(crate) fn remember(&mut self, age: VersionAge) {
        let is_newer = self.newest.is_none_or(|newest| self.is_from_status && newest.is_before(age));
        if is_newer {
            (self.newest, self.is_from_status) = (Some(age), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::testing::names::{labelled, parameter_ref};

    fn age(version: i64, second: i64) -> VersionAge {
        VersionAge::new(version, Timestamp::from_second(second).ok())
    }

    #[test]
    fn versions_go_forward() {
        let (name, now) = (parameter_ref("/a"), Instant::now());
        for (seen, answered, is_fresh) in [
            (age(1, 10), age(2, 20), true),
            (age(2, 20), age(2, 20), true),
            (age(2, 20), age(1, 10), false),
            (age(7, 20), age(1, 30), true),
            (age(1, 30), age(7, 20), false),
            (age(2, 20), age(3, 20), true),
            (VersionAge::new(2, None), age(1, 30), false),
        ] {
            let mut newest = NewestSeen::default();
            assert!(newest.take(&name, seen, now));
            assert_eq!(newest.take(&name, answered, now), is_fresh, "{seen:?} {answered:?}");
            assert_eq!(
                newest.take(&name, answered, now + 10 * BELIEVED_AFTER),
                is_fresh,
                "{seen:?} {answered:?} later"
            );
        }
    }

    #[test]
    fn a_label_that_was_moved_back_is_believed_after_a_while() {
        let (name, now, mut newest) = (labelled("/a", "prod"), Instant::now(), NewestSeen::default());
        assert!(newest.take(&name, age(5, 50), now));
        assert!(!newest.take(&name, age(3, 30), now));
        assert!(!newest.take(&name, age(3, 30), now + BELIEVED_AFTER / 2));
        assert!(newest.take(&name, age(3, 30), now + BELIEVED_AFTER));
        assert!(newest.take(&name, age(4, 40), now + BELIEVED_AFTER));
    }

    #[test]
    fn what_was_seen_before_a_restart_counts() {
        let (name, mut newest) = (parameter_ref("/a"), NewestSeen::default());
        newest.remember(age(5, 50));
        newest.remember(age(4, 40));
        assert!(!newest.take(&name, age(4, 40), Instant::now()));
        assert!(newest.take(&name, age(5, 50), Instant::now()));
    }

    #[test]
    fn an_older_version_that_aws_names_for_ten_minutes_is_believed_and_asked_for_less_and_less_often() {
        let (name, start, mut newest) = (parameter_ref("/a"), Instant::now(), NewestSeen::default());
        assert!(newest.take(&name, age(2, 4_000_000_000), start));
        let (mut now, mut checks) = (start, 0);
        while !newest.take(&name, age(3, 30), now) {
            now += newest.check_again_in(now);
            checks += 1;
        }
        assert!((600..=660).contains(&(now - start).as_secs()), "{:?}", now - start);
        assert!((10..=20).contains(&checks), "{checks} checks");
        assert!(newest.take(&name, age(4, 40), now));
    }

    #[test]
    fn a_wrong_status_does_not_outweigh_what_aws_goes_on_saying() {
        let (name, now, mut newest) = (parameter_ref("/a"), Instant::now(), NewestSeen::default());
        newest.remember(age(999, 4_000_000_000));
        assert!(!newest.take(&name, age(2, 20), now));
        assert!(newest.take(&name, age(2, 20), now + BELIEVED_AFTER));
        newest.remember(age(999, 4_000_000_000));
        assert!(newest.take(&name, age(3, 30), now + BELIEVED_AFTER), "AWS has spoken since");
        assert!(!newest.take(&name, age(2, 20), now + 10 * BELIEVED_AFTER));
    }
}
