//! What a store does at present: its sessions, its share of the quota, and what needs attention.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::controller::{context::Context, index::StoreKey, store::sessions::Sessions};
use crate::{
    api::{
        StoreStatus,
        status::{LISTED_WARNINGS, QuotaStatus},
    },
    domain::Fault,
    parameters::NAMES_PER_CALL,
};

/// Most characters of a warning, as in the schema.
const LONGEST_WARNING: usize = 1_000;

/// What a store does at present. It changes by itself, so the status is compared with it from time to time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Activity {
    /// How many sessions are open, if each namespace has one of its own.
    pub(crate) sessions: Option<i32>,
    /// How fast AWS is called.
    pub(crate) quota: QuotaStatus,
    /// Number of parameters that are polled.
    pub(crate) parameters: usize,
    /// Requests a second that polling them at the requested intervals takes.
    pub(crate) load: f64,
    /// What needs attention.
    pub(crate) warnings: Vec<String>,
}

impl Activity {
    /// Returns what the sessions of a store do.
    pub(crate) fn of(store: &StoreKey, sessions: &Sessions, context: &Context) -> Self {
        let readers = sessions.open_readers();
        let (mut parameters, mut load, mut calls) = (0, 0.0, 0);
        for reader in &readers {
            let (names, calls_per_second) = reader.load();
            parameters += names;
            load += calls_per_second;
            calls += names.div_ceil(NAMES_PER_CALL);
        }
        let scope = sessions.scope();
        let limits = context.gateway.quotas.rate_limits(&scope.account, &scope.region);
        let rate = limits.parameters.rate();
        let quota = QuotaStatus {
            requests_per_second: whole(limits.parameters.limit()),
            current_requests_per_second: whole(rate),
            throttled_since: limits.parameters.throttled_since().map(|since| Time(context.time_at(since))),
            sweep_seconds: (calls > 0).then(|| whole(f64::from(count(calls)) / rate)),
        };
        let is_per_namespace = sessions.shared().is_none();
        Self {
            sessions: is_per_namespace.then(|| count(readers.len())),
            warnings: warnings(store, sessions, context),
            quota,
            parameters,
            load,
        }
    }

    /// Fills in from a status what a process cannot know yet when it reports for the first time, before the first object has
    /// asked for anything. What is different by then is reported at the next comparison.
    pub(crate) fn continuing(mut self, status: &StoreStatus) -> Self {
        self.sessions = self.sessions.map(|sessions| status.sessions.unwrap_or(sessions));
        let shown = status.quota.as_ref().and_then(|quota| quota.sweep_seconds);
        self.quota.sweep_seconds = self.quota.sweep_seconds.or(shown);
        if self.warnings.is_empty() {
            self.warnings.clone_from(&status.warnings);
        }
        self
    }

    /// Reports whether a status shows something else. How a rate recovers while AWS throttles is no news.
    pub(crate) fn is_news(&self, status: &StoreStatus) -> bool {
        let Self { sessions, quota, warnings, .. } = self;
        let is_same_quota = status.quota.as_ref().is_some_and(|shown| {
            shown == quota
                || quota.throttled_since.is_some()
                    && (shown.throttled_since.as_ref(), shown.requests_per_second)
                        == (quota.throttled_since.as_ref(), quota.requests_per_second)
        });
        !is_same_quota || status.sessions != *sessions || status.warnings != *warnings
    }
}

fn warnings(store: &StoreKey, sessions: &Sessions, context: &Context) -> Vec<String> {
    let keys = sessions.open_readers().into_iter().flat_map(|reader| reader.key_warnings());
    let mut warnings: Vec<_> = keys.collect();
    warnings.sort();
    warnings.dedup();
    if let Sessions::PerNamespace(sessions) = sessions {
        let readers = context.index.lock().subscribers(store);
        let namespaces: BTreeSet<_> = readers.iter().filter_map(|object| object.namespace.as_deref()).collect();
        let (faults, widened) = sessions.problems(|namespace| namespaces.contains(namespace));
        let failed =
            |(namespace, fault): (String, Fault)| format!("Namespace {namespace} has no session. {}", fault.message);
        let wider = |(namespace, what): (String, String)| format!("Namespace {namespace}: {what}");
        warnings.extend(faults.into_iter().map(failed).chain(widened.into_iter().map(wider)));
    }
    let uids = context.index.lock().subscriber_uids(store);
    for denial in context.object_states.denials(&uids, LISTED_WARNINGS) {
        // A session that could not be opened is told already.
        if !warnings.iter().any(|warning| warning.contains(&denial)) {
            warnings.push(denial);
        }
    }
    warnings.truncate(LISTED_WARNINGS);
    warnings.into_iter().map(cut).collect()
}

/// Cuts a warning to the length that the schema allows.
fn cut(mut warning: String) -> String {
    if let Some((end, _)) = warning.char_indices().nth(LONGEST_WARNING) {
        warning.truncate(end);
        warning.pop();
        warning.push('…');
    }
    warning
}

/// Rounds a rate or a time up to a whole number.
#[expect(clippy::cast_possible_truncation, reason = "what is out of range becomes the nearest number")]
fn whole(number: f64) -> i32 {
    number.ceil() as i32
}

/// Converts a count.
pub(crate) fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn a_rate_that_recovers_is_not_written_again_and_again() {
        let quota = |current: i32, since: Option<i64>| QuotaStatus {
            requests_per_second: 10,
            current_requests_per_second: current,
            throttled_since: since.and_then(|since| Timestamp::from_second(since).ok()).map(Time),
            sweep_seconds: Some(current),
        };
        let activity = |quota| Activity { sessions: None, quota, parameters: 0, load: 0.0, warnings: Vec::new() };
        for (shown, now, expected) in [
            (quota(10, None), quota(10, None), false),
            (quota(10, None), quota(5, Some(1)), true),
            (quota(5, Some(1)), quota(7, Some(1)), false),
            (quota(5, Some(1)), quota(5, Some(2)), true),
            (quota(7, Some(1)), quota(10, None), true),
        ] {
            let status = StoreStatus { quota: Some(shown), ..StoreStatus::default() };
            assert_eq!(activity(now.clone()).is_news(&status), expected, "{now:?}");
        }
    }

    /// Otherwise each change of the leader would write the status of each store twice.
    #[test]
    fn the_first_report_of_a_process_shows_what_the_status_showed() {
        let quota = |sweep_seconds| QuotaStatus {
            requests_per_second: 10,
            current_requests_per_second: 10,
            throttled_since: None,
            sweep_seconds,
        };
        let warnings = vec!["Key k is disabled.".to_owned()];
        let status = StoreStatus { sessions: Some(3), quota: Some(quota(Some(7))), warnings, ..StoreStatus::default() };
        let first = Activity { sessions: Some(0), quota: quota(None), parameters: 0, load: 0.0, warnings: Vec::new() };
        assert!(first.is_news(&status));
        assert!(!first.clone().continuing(&status).is_news(&status));
        assert_eq!(first.clone().continuing(&StoreStatus::default()), first, "a new store");
    }

    #[test]
    fn a_warning_is_as_long_as_the_schema_allows() {
        let lengths = [0, 999, 1_000, 1_001, 5_000].map(|length| cut("é".repeat(length)).chars().count());
        assert_eq!(lengths, [0, 999, 1_000, 1_000, 1_000]);
    }
}
