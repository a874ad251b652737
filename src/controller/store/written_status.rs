//! The statuses of stores as last written, to tell news from what somebody else changed.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{
    api::StoreStatus,
    domain::schedule::{
        correction_limit::{Correction, CorrectionLimit},
        object_state::is_newer,
        uptime::Uptime,
    },
};

/// A status as the cache shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    /// The status.
    pub(crate) status: &'a StoreStatus,
    /// The store's resource version.
    pub(crate) resource_version: Option<&'a str>,
}

/// The last written status of each store that exists, by uid.
#[derive(Debug, Default)]
pub(crate) struct WrittenStatuses {
    statuses: Mutex<HashMap<String, Written>>,
}

#[derive(Clone, Debug)]
struct Written {
    status: StoreStatus,
    /// The store's resource version after the write.
    resource_version: Option<String>,
    corrections: CorrectionLimit,
}

impl WrittenStatuses {
    /// Returns the status that a store should show; `None` if the operator has not concluded one since it started.
    pub(crate) fn get(&self, uid: &str) -> Option<StoreStatus> {
        self.statuses.lock().get(uid).map(|written| written.status.clone())
    }

    /// Decides whether the status of a store has to be written: now, later, or not at all because the store shows it. News
    /// are never delayed; a status that somebody else changed is corrected less and less often.
    pub(crate) fn decide(&self, uid: &str, status: &StoreStatus, shown: Shown<'_>, now: Uptime) -> Option<Correction> {
        let mut statuses = self.statuses.lock();
        let Some(written) = statuses.get_mut(uid) else {
            return (status != shown.status).then_some(Correction::Now);
        };
        if written.status != *status {
            return Some(Correction::Now);
        }
        let is_contradicted = shown.status != status
            && written.resource_version.as_ref().is_some_and(|version| is_newer(shown.resource_version, version));
        is_contradicted.then(|| written.corrections.decide(now))
    }

    /// Remembers a status that the store shows at this resource version.
    pub(crate) fn set(&self, uid: &str, status: StoreStatus, resource_version: Option<String>) {
        let mut statuses = self.statuses.lock();
        let corrections = statuses.get(uid).map(|written| written.corrections.clone()).unwrap_or_default();
        statuses.insert(uid.to_owned(), Written { status, resource_version, corrections });
    }

    /// Forgets a store that was deleted.
    pub(crate) fn remove(&self, uid: &str) {
        self.statuses.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn status(region: &str) -> StoreStatus {
        StoreStatus { region: Some(region.to_owned()), ..StoreStatus::default() }
    }

    fn decide(statuses: &WrittenStatuses, wanted: &str, shown: (&str, &str), second: u64) -> Option<Correction> {
        let (region, version) = shown;
        let shown = Shown { status: &status(region), resource_version: Some(version) };
        statuses.decide("uid", &status(wanted), shown, Duration::from_secs(second))
    }

    #[test]
    fn news_are_written_and_what_the_store_shows_is_not() {
        let statuses = WrittenStatuses::default();
        assert_eq!(decide(&statuses, "ours", ("ours", "5"), 0), None);
        assert_eq!(decide(&statuses, "ours", ("theirs", "5"), 0), Some(Correction::Now));
        statuses.set("uid", status("ours"), Some("10".into()));
        assert_eq!(decide(&statuses, "ours", ("former", "9"), 0), None, "the cache is behind");
        assert_eq!(decide(&statuses, "ours", ("ours", "10"), 0), None);
        assert_eq!(decide(&statuses, "newer", ("ours", "10"), 0), Some(Correction::Now));
        statuses.remove("uid");
        assert!(statuses.get("uid").is_none());
    }

    #[test]
    fn a_status_that_somebody_else_changes_is_corrected_less_and_less_often() {
        let statuses = WrittenStatuses::default();
        statuses.set("uid", status("ours"), Some("10".into()));
        let correct = |second| {
            let write = decide(&statuses, "ours", ("theirs", "1000"), second);
            if write == Some(Correction::Now) {
                statuses.set("uid", status("ours"), Some("10".into()));
            }
            write
        };
        for second in 0..3 {
            assert_eq!(correct(second), Some(Correction::Now), "{second}");
        }
        assert_eq!(correct(3), Some(Correction::Later { wait: SECOND * 59, is_first: true }));
        assert_eq!(decide(&statuses, "newer", ("theirs", "1000"), 4), Some(Correction::Now), "news do not wait");
        assert_eq!(correct(62), Some(Correction::Now));
        assert_eq!(correct(63), Some(Correction::Later { wait: SECOND * 119, is_first: false }));
    }
}
