//! What is said of restarted workloads.

use std::time::Duration;

use crate::{api::Reason, domain::report::text::list};

/// How long until a restart that failed is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// How long until it is tried again where the operator lacks the right.
const RETRY_FORBIDDEN: Duration = Duration::from_secs(600);

/// The result of restarting one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Its pods are being replaced.
    Started,
    /// It was created after the change, so that its pods have the new content.
    Newer,
    /// Its update strategy replaces pods only when somebody deletes them.
    OnDelete,
    /// Its rollout is paused.
    Paused,
    /// It does not exist.
    Missing,
    /// No workload matches the selector.
    NoneSelected,
    /// The operator lacks the right.
    Forbidden,
    /// The API server refused, with its message.
    Failed(String),
}

/// The results of all of an object's restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whether nothing is left to do.
    pub is_done: bool,
    /// After which time to try again; `None` if only a new spec helps.
    pub retry: Option<Duration>,
    /// Reason of the condition.
    pub reason: Reason,
    /// Message of the condition.
    pub message: String,
}

/// Sums up the results, each with kind and name of its workload.
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
    say(&on_delete, "replaces its pods only when they are deleted (update strategy OnDelete).");
    say(&paused, "is paused; it is restarted once it is resumed.");
    say(&missing, "does not exist; correct spec.restart.");
    say(&unselected, "matches no workload.");
    say(
        &forbidden,
        "could not be restarted: the operator lacks the right; install the chart with restart.enabled=true.",
    );
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
    let retry = match (paused.is_empty() && failed.is_empty(), forbidden.is_empty()) {
        (false, _) => Some(RETRY),
        (true, false) => Some(RETRY_FORBIDDEN),
        (true, true) => None,
    };
    Summary { is_done: reason == Reason::Restarted, retry, reason, message: sentences.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_each_workload_and_the_next_step() {
        let rollout = |name: &str, rollout| (format!("Deployment {name}"), rollout);
        for (rollouts, is_done, retry, reason, parts) in [
            (vec![rollout("a", Rollout::Started)], true, None, Reason::Restarted, &["Deployment a restarted"][..]),
            (vec![rollout("a", Rollout::OnDelete)], true, None, Reason::Restarted, &["OnDelete"]),
            (
                vec![rollout("a", Rollout::Started), rollout("b", Rollout::Paused)],
                false,
                Some(RETRY),
                Reason::RestartPending,
                &["Deployment a restarted", "Deployment b is paused"],
            ),
            (vec![rollout("a", Rollout::NoneSelected)], true, None, Reason::Restarted, &["a matches no workload"]),
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
            assert_eq!((summary.is_done, summary.retry, summary.reason), (is_done, retry, reason), "{rollouts:?}");
            for part in parts {
                assert!(summary.message.contains(part), "{} lacks {part}", summary.message);
            }
        }
    }
}
