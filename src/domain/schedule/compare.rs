//! Compares the versions that the informer knows with what the status records.

use crate::domain::{
    Fault,
    parameter::revision::Versions,
    plan::types::Reads,
    schedule::{
        absence::{Absence, ParameterCount},
        uptime::Uptime,
    },
};

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The same versions of the same parameters.
    Same,
    /// Something is missing, which a second answer has to confirm.
    Unconfirmed,
    /// Other versions or other parameters.
    Changed,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides<'a> {
    /// The revision that the status records; `None` if the object was never synced.
    pub recorded: Option<&'a str>,
    /// The revision of `versions`.
    pub current: &'a str,
    /// The parameters of the plan.
    pub reads: &'a Reads<'a>,
    /// Their versions.
    pub versions: &'a Versions,
    /// How many there are, now and as recorded.
    pub counts: ParameterCount,
}

/// Compares, and updates what is known of missing parameters.
///
/// # Errors
/// `ParameterNotFound` if a parameter stays missing although two listings have it.
pub(crate) fn compare(sides: &Sides<'_>, absence: &mut Absence, now: Uptime) -> Result<Comparison, Fault> {
    if sides.recorded == Some(sides.current) {
        return Ok(Comparison::Same);
    }
    let is_unconfirmed = absence.contradicts_listing(sides.reads, sides.versions, now)?
        || absence.needs_second_listing(sides.counts, now)
        || absence.needs_confirmation(sides.versions, sides.recorded.is_some());
    Ok(if is_unconfirmed { Comparison::Unconfirmed } else { Comparison::Changed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::parameter::{name::ParameterRef, revision::Metadata, scope::Scope};

    #[test]
    fn only_a_confirmed_difference_is_a_change() {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let versions = |metadata| Versions::from([(ParameterRef::new("/a", None, &scope), metadata)]);
        let (present, missing) = (versions(Some(Metadata::default())), versions(None));
        let counts = ParameterCount { has_paths: false, is_first: false, before: None, current: 1 };
        let mut absence = Absence::default();
        for (recorded, versions, expected) in [
            (Some("now"), &missing, Comparison::Same),
            (Some("before"), &present, Comparison::Changed),
            (Some("before"), &missing, Comparison::Unconfirmed),
            (Some("before"), &missing, Comparison::Changed),
            (None, &present, Comparison::Changed),
        ] {
            let sides = Sides { recorded, current: "now", reads: &Reads::new(), versions, counts };
            assert_eq!(compare(&sides, &mut absence, Uptime::ZERO), Ok(expected), "{recorded:?}");
        }
    }
}
