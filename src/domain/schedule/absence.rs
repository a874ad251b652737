//! When a missing parameter counts as absent. AWS is eventually consistent: one answer without a parameter proves
//! nothing, so that a key leaves the Secret only after two.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    api::Reason,
    domain::{
        Fault,
        parameter::{name::ParameterRef, revision::Versions},
        plan::types::Reads,
        report::text::list,
        schedule::uptime::Uptime,
    },
};

/// How long after the first answer an absence is confirmed.
pub(crate) const CONFIRM_AFTER: Duration = Duration::from_secs(5);

/// What the last answers lacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Absence {
    /// Parameters that did not exist at the last look.
    missing: BTreeSet<ParameterRef>,
    /// The second listing of the paths.
    listing: SecondListing,
}

/// The listing that confirms what the first one lacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SecondListing {
    #[default]
    NotNeeded,
    Due(Uptime),
    Done,
}

/// How many parameters the object reads now and read before, and whether any come from paths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParameterCount {
    /// Whether the plan has paths at all.
    pub has_paths: bool,
    /// Whether this is the first listing since the operator started: the informer has nothing to compare it with.
    pub is_first: bool,
    /// How many parameters the status records.
    pub before: Option<usize>,
    /// How many there are now.
    pub current: usize,
}

impl Absence {
    /// The state after a sync or a look that found everything as recorded.
    pub(crate) fn settled(versions: &Versions) -> Self {
        Self { missing: missing(versions), listing: SecondListing::NotNeeded }
    }

    /// Reports whether it is time to list the paths a second time.
    pub(crate) fn is_listing_due(&self, now: Uptime) -> bool {
        matches!(self.listing, SecondListing::Due(at) if at <= now)
    }

    /// Records that the paths were listed a second time.
    pub(crate) const fn record_listing(&mut self) {
        self.listing = SecondListing::Done;
    }

    /// Records that the paths could not be listed: a failure confirms nothing.
    pub(crate) fn record_failed_listing(&mut self) {
        if self.listing == SecondListing::Done {
            self.listing = SecondListing::NotNeeded;
        }
    }

    /// Plans a second listing of the paths if parameters were deleted while the operator was down, and reports whether one
    /// is planned: until then, the first one does not count.
    pub(crate) fn needs_second_listing(&mut self, count: ParameterCount, now: Uptime) -> bool {
        let has_fewer = count.before.is_some_and(|before| count.current < before);
        if self.listing == SecondListing::NotNeeded && count.has_paths && count.is_first && has_fewer {
            self.listing = SecondListing::Due(now + CONFIRM_AFTER);
        }
        matches!(self.listing, SecondListing::Due(_))
    }

    /// Reports whether a parameter is missing that a listing has. Then the listing is out of date: a second one is planned,
    /// and has to come before anything is made of it.
    ///
    /// # Errors
    /// `ParameterNotFound` if the paths were listed a second time and the parameter is still missing.
    pub(crate) fn contradicts_listing(
        &mut self,
        reads: &Reads<'_>,
        versions: &Versions,
        now: Uptime,
    ) -> Result<bool, Fault> {
        let is_missing = |parameter: &ParameterRef| matches!(versions.get(parameter), Some(None));
        let listed = reads.iter().filter(|(parameter, read)| read.listed && is_missing(parameter));
        let listed: Vec<_> = listed.map(|(parameter, _)| parameter.to_string()).collect();
        match self.listing {
            _ if listed.is_empty() => return Ok(false),
            SecondListing::Done => {
                self.listing = SecondListing::NotNeeded;
                let message = format!(
                    "AWS lists {} below a path, but GetParameters does not return it; the operator tries again. If this \
                     persists, exclude it in spec.dataFrom.",
                    list(&listed)
                );
                return Err(Fault::new(Reason::ParameterNotFound, message));
            }
            SecondListing::NotNeeded => self.listing = SecondListing::Due(now + CONFIRM_AFTER),
            SecondListing::Due(_) => {}
        }
        Ok(true)
    }

    /// Records which parameters are missing, and reports whether any was not missing at the last look, so that a second
    /// look has to confirm it. An object that was never synced has no key to lose.
    pub(crate) fn needs_confirmation(&mut self, versions: &Versions, was_synced: bool) -> bool {
        let missing = missing(versions);
        let is_new = !missing.is_subset(&self.missing);
        self.missing = missing;
        was_synced && is_new
    }
}

/// The parameters that do not exist.
fn missing(versions: &Versions) -> BTreeSet<ParameterRef> {
    versions.iter().filter(|(_, metadata)| metadata.is_none()).map(|(parameter, _)| parameter.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        parameter::{revision::Metadata, scope::Scope},
        plan::types::Read,
    };

    const NOW: Uptime = Duration::from_secs(100);
    const LATER: Uptime = Duration::from_secs(105);

    fn parameter(name: &str) -> ParameterRef {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        ParameterRef::new(name, None, &scope)
    }

    fn versions(entries: &[(&str, bool)]) -> Versions {
        entries.iter().map(|(name, exists)| (parameter(name), exists.then(Metadata::default))).collect()
    }

    #[test]
    fn a_key_leaves_after_two_looks_without_its_parameter() {
        let mut absence = Absence::default();
        for (exists, was_synced, expected) in [
            (false, false, false),
            (true, true, false),
            (false, true, true),
            (false, true, false),
            (true, true, false),
            (false, true, true),
        ] {
            assert_eq!(absence.needs_confirmation(&versions(&[("/a", exists)]), was_synced), expected);
        }
        let mut settled = Absence::settled(&versions(&[("/a", false)]));
        assert!(!settled.needs_confirmation(&versions(&[("/a", false)]), true), "known to be absent");
        assert!(settled.needs_confirmation(&versions(&[("/a", false), ("/b", false)]), true), "another one");
    }

    #[test]
    fn fewer_parameters_at_the_first_listing_need_a_second_one() {
        let count = ParameterCount { has_paths: true, is_first: true, before: Some(3), current: 2 };
        for (count, expected) in [
            (count, true),
            (ParameterCount { current: 3, ..count }, false),
            (ParameterCount { before: None, ..count }, false),
            (ParameterCount { has_paths: false, ..count }, false),
            (ParameterCount { is_first: false, ..count }, false),
        ] {
            assert_eq!(Absence::default().needs_second_listing(count, NOW), expected, "{count:?}");
        }
        let mut absence = Absence::default();
        assert!(absence.needs_second_listing(count, NOW));
        assert!(!absence.is_listing_due(NOW) && absence.is_listing_due(LATER));
        absence.record_listing();
        assert!(!absence.needs_second_listing(count, LATER), "the second listing counts");
        absence.record_failed_listing();
        assert!(absence.needs_second_listing(count, LATER), "a failed one does not");
    }

    #[test]
    fn a_listed_parameter_that_is_missing_fails_only_after_a_second_listing() {
        let (a, found, lacking) = (parameter("/a"), versions(&[("/a", true)]), versions(&[("/a", false)]));
        let listed = Reads::from([(&a, Read { optional: true, listed: true })]);
        let named = Reads::from([(&a, Read { optional: true, listed: false })]);
        let mut absence = Absence::default();
        assert_eq!(absence.contradicts_listing(&listed, &found, NOW), Ok(false));
        assert_eq!(absence.contradicts_listing(&named, &lacking, NOW), Ok(false), "no listing has it");
        assert_eq!(absence.contradicts_listing(&listed, &lacking, NOW), Ok(true));
        assert!(absence.is_listing_due(LATER));
        absence.record_listing();
        let fault = absence.contradicts_listing(&listed, &lacking, LATER).expect_err("a fault");
        assert_eq!(fault.reason, Reason::ParameterNotFound);
        assert!(fault.message.contains("/a"), "{}", fault.message);
        assert_eq!(absence.contradicts_listing(&listed, &lacking, LATER), Ok(true), "it starts again");
    }
}
