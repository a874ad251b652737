//! Restarts of workloads after the content of their Secret changed: when, and what is said of it.

use std::time::Duration;

use crate::api::{Reason, names::RESTART_ANNOTATION_PREFIX};
use crate::domain::{digest::TextDigest, report::text::list};

/// How long after a change of the Secret workloads are restarted, unless it changes again.
pub const QUIET: Duration = Duration::from_secs(5);
/// The longest that changes put a restart off.
pub const LONGEST: Duration = Duration::from_secs(30);
/// How soon what could not be restarted is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// The same where the operator lacks the right.
const RETRY_FORBIDDEN: Duration = Duration::from_secs(600);

/// The annotation on pod templates by which an object restarts workloads: its name, shortened where that is too long.
pub fn annotation(object: &str) -> String {
    /// Longest name of an annotation, without its prefix (Kubernetes documentation, Annotations).
    const LONGEST_NAME: usize = 63;
    let name = if object.len() <= LONGEST_NAME {
        object.to_owned()
    } else {
        let mut digest = TextDigest::default();
        digest.add(object);
        format!("{}-{}", &object[..LONGEST_NAME - 9], &digest.hex()[..8])
    };
    format!("{RESTART_ANNOTATION_PREFIX}{name}")
}

/// Why a Secret was written, as far as restarts go.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations, each named")]
pub struct Write {
    /// The object wrote a Secret of that name before.
    pub was_there: bool,
    /// The write changed it.
    pub changed: bool,
    /// Other versions or other parameters are behind it.
    pub other_sources: bool,
    /// The spec makes other content of them, or may do so.
    pub other_shape: bool,
}

impl Write {
    /// Whether workloads that use the Secret are to be restarted. Changes of labels alone, and repairs of what others
    /// changed, leave the content as it was.
    pub const fn calls_for_restart(self) -> bool {
        self.was_there && self.changed && (self.other_sources || self.other_shape)
    }
}

/// What became of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Its pods are being replaced.
    Started,
    /// It came after the change: its pods know nothing else.
    Newer,
    /// Its pods are replaced when somebody deletes them: that is its update strategy.
    OnDelete,
    /// Its rollout is paused.
    Paused,
    /// There is none of its name.
    Missing,
    /// No workload has the labels.
    NoneSelected,
    /// The operator may not.
    Forbidden,
    /// The API server would not.
    Failed(String),
}

/// What came of all of an object's restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whether nothing is left to do.
    pub is_done: bool,
    /// When to try again, if at all.
    pub again: Option<Duration>,
    /// Reason of the condition.
    pub reason: Reason,
    /// Message of the condition.
    pub message: String,
}

/// Sums up what became of workloads, each by kind and name.
pub fn summary(secret: &str, rollouts: &[(String, Rollout)]) -> Summary {
    let named = |is_meant: fn(&Rollout) -> bool| -> Vec<&str> {
        rollouts.iter().filter(|(_, rollout)| is_meant(rollout)).map(|(name, _)| name.as_str()).collect()
    };
    let started = named(|rollout| matches!(rollout, Rollout::Started | Rollout::OnDelete));
    let on_delete = named(|rollout| *rollout == Rollout::OnDelete);
    let paused = named(|rollout| *rollout == Rollout::Paused);
    let missing = named(|rollout| *rollout == Rollout::Missing);
    let unselected = named(|rollout| *rollout == Rollout::NoneSelected);
    let forbidden = named(|rollout| *rollout == Rollout::Forbidden);
    let failed = named(|rollout| matches!(rollout, Rollout::Failed(_)));
    let mut sentences = Vec::new();
    let mut say = |names: &[&str], how: &str| {
        if !names.is_empty() {
            sentences.push(format!("{} {how}", list(names)));
        }
    };
    say(&started, &format!("restarted since Secret {secret} changed."));
    say(&on_delete, "replaces pods only when they are deleted (update strategy OnDelete).");
    say(&paused, "is paused and left alone until it is resumed.");
    say(&missing, "does not exist; correct spec.restart.");
    say(&unselected, "selects none.");
    say(&forbidden, "may not be restarted by the operator; install the chart with restart.enabled=true.");
    let problem = rollouts.iter().find_map(|(_, rollout)| match rollout {
        Rollout::Failed(problem) => Some(problem.as_str()),
        _ => None,
    });
    say(&failed, &format!("could not be restarted ({}); the operator tries again.", problem.unwrap_or_default()));
    if sentences.is_empty() {
        sentences.push(format!("Secret {secret} changed, and no workload of spec.restart is older than that."));
    }
    let reason = if !forbidden.is_empty() || !failed.is_empty() || !missing.is_empty() {
        Reason::RestartFailed
    } else if paused.is_empty() {
        Reason::Restarted
    } else {
        Reason::RestartPending
    };
    let again = match (paused.is_empty() && failed.is_empty(), forbidden.is_empty()) {
        (false, _) => Some(RETRY),
        (true, false) => Some(RETRY_FORBIDDEN),
        (true, true) => None,
    };
    Summary { is_done: reason == Reason::Restarted, again, reason, message: sentences.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_content_calls_for_a_restart() {
        let write = Write { was_there: true, changed: true, other_sources: true, other_shape: false };
        for (write, expected) in [
            (write, true),
            (Write { other_sources: false, other_shape: true, ..write }, true),
            (Write { was_there: false, ..write }, false),
            (Write { changed: false, ..write }, false),
            (Write { other_sources: false, ..write }, false),
        ] {
            assert_eq!(write.calls_for_restart(), expected, "{write:?}");
        }
    }

    #[test]
    fn annotations_are_valid_and_differ() {
        assert_eq!(annotation("checkout"), "restarted-for.secureparameter.io/checkout");
        let (one, other) = (annotation(&format!("{}a", "x".repeat(100))), annotation(&format!("{}b", "x".repeat(100))));
        assert_ne!(one, other);
        assert_eq!(one.len(), RESTART_ANNOTATION_PREFIX.len() + 63);
    }

    #[test]
    fn the_summary_names_each_workload_and_what_to_do() {
        let rollout = |name: &str, rollout| (format!("Deployment {name}"), rollout);
        for (rollouts, is_done, again, reason, parts) in [
            (vec![rollout("a", Rollout::Started)], true, None, Reason::Restarted, &["Deployment a restarted"][..]),
            (vec![rollout("a", Rollout::OnDelete)], true, None, Reason::Restarted, &["OnDelete"]),
            (
                vec![rollout("a", Rollout::Started), rollout("b", Rollout::Paused)],
                false,
                Some(RETRY),
                Reason::RestartPending,
                &["Deployment a restarted", "Deployment b is paused"],
            ),
            (vec![rollout("a", Rollout::NoneSelected)], true, None, Reason::Restarted, &["a selects none"]),
            (vec![rollout("a", Rollout::Missing)], false, None, Reason::RestartFailed, &["a does not exist"]),
            (
                vec![rollout("a", Rollout::Forbidden)],
                false,
                Some(RETRY_FORBIDDEN),
                Reason::RestartFailed,
                &["restart.enabled=true"],
            ),
            (vec![rollout("a", Rollout::Failed("500".into()))], false, Some(RETRY), Reason::RestartFailed, &["(500)"]),
            (vec![rollout("a", Rollout::Newer)], true, None, Reason::Restarted, &["no workload of spec.restart"]),
            (vec![], true, None, Reason::Restarted, &["no workload of spec.restart"]),
        ] {
            let summary = summary("checkout", &rollouts);
            assert_eq!((summary.is_done, summary.again, summary.reason), (is_done, again, reason), "{rollouts:?}");
            for part in parts {
                assert!(summary.message.contains(part), "{} lacks {part}", summary.message);
            }
        }
    }
}
