//! What is said of restarted workloads.

use std::time::Duration;

use crate::{api::Reason, domain::report::text::list};

/// How long until a restart that failed is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// How long until it is tried again where the operator lacks the permission.
const RETRY_FORBIDDEN: Duration = Duration::from_secs(600);

/// The result of restarting one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rollout {
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
    /// The operator lacks the permission.
    Forbidden,
    /// The API server refused, with its message.
    Failed(String),
}

impl Rollout {
    /// The outcomes, as metrics count them.
    pub(crate) const OUTCOMES: [&str; 8] =
        ["Started", "Newer", "OnDelete", "Paused", "Missing", "NoneSelected", "Forbidden", "Failed"];

    /// Returns the outcome, as metrics count it.
    pub(crate) const fn outcome(&self) -> &'static str {
        let [started, newer, on_delete, paused, missing, none_selected, forbidden, failed] = Self::OUTCOMES;
        match self {
            Self::Started => started,
            Self::Newer => newer,
            Self::OnDelete => on_delete,
            Self::Paused => paused,
            Self::Missing => missing,
            Self::NoneSelected => none_selected,
            Self::Forbidden => forbidden,
            Self::Failed(_) => failed,
        }
    }
}

/// The results of all of an object's restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Whether nothing is left to do.
    pub is_done: bool,
    /// After which time to try again; `None` if nothing is left to retry: it is done, or only a new spec helps.
    pub retry: Option<Duration>,
    /// Reason of the condition.
    pub reason: Reason,
    /// Message of the condition.
    pub message: String,
}

/// Sums up the results, each with kind and name of its workload.
pub(crate) fn summary(secret: &str, rollouts: &[(String, Rollout)]) -> Summary {
    let reason = reason(rollouts);
    let message = message(secret, rollouts);
    Summary { is_done: reason == Reason::Restarted, retry: retry(rollouts), reason, message }
}

fn reason(rollouts: &[(String, Rollout)]) -> Reason {
    let any = |is_meant: fn(&Rollout) -> bool| rollouts.iter().any(|(_, rollout)| is_meant(rollout));
    if any(|rollout| matches!(rollout, Rollout::Forbidden | Rollout::Failed(_) | Rollout::Missing)) {
        Reason::RestartFailed
    } else if any(|rollout| *rollout == Rollout::Paused) {
        Reason::RestartPending
    } else {
        Reason::Restarted
    }
}

fn retry(rollouts: &[(String, Rollout)]) -> Option<Duration> {
    let delay = |(_, rollout): &(String, Rollout)| match rollout {
        Rollout::Paused | Rollout::Failed(_) => Some(RETRY),
        Rollout::Forbidden => Some(RETRY_FORBIDDEN),
        _ => None,
    };
    rollouts.iter().filter_map(delay).min()
}

fn message(secret: &str, rollouts: &[(String, Rollout)]) -> String {
    let mut sentences = Vec::new();
    let mut say = |what: &str, is_meant: fn(&Rollout) -> bool| {
        let meant = rollouts.iter().filter(|(_, rollout)| is_meant(rollout));
        let names: Vec<_> = meant.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            sentences.push(format!("{what}: {}.", list(&names)));
        }
    };
    let problem = rollouts.iter().find_map(|(_, rollout)| match rollout {
        Rollout::Failed(problem) => Some(problem.as_str()),
        _ => None,
    });
    say(&format!("Restarted because Secret {secret} changed"), |rollout| {
        matches!(rollout, Rollout::Started | Rollout::OnDelete)
    });
    say("Replaces pods only when they are deleted (OnDelete)", |rollout| *rollout == Rollout::OnDelete);
    say("Rollout paused, will restart when resumed", |rollout| *rollout == Rollout::Paused);
    say("Not found, correct spec.restart", |rollout| *rollout == Rollout::Missing);
    say("No workload selected", |rollout| *rollout == Rollout::NoneSelected);
    say(
        "Not restarted because the operator lacks the permission, install the chart with restart.enabled=true",
        |rollout| *rollout == Rollout::Forbidden,
    );
    say(&format!("Not restarted ({}), the operator tries again", problem.unwrap_or_default()), |rollout| {
        matches!(rollout, Rollout::Failed(_))
    });
    if sentences.is_empty() {
        return format!(
            "Secret {secret} changed, and every workload in spec.restart was created after that, so none was restarted."
        );
    }
    sentences.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_each_workload_and_the_next_step() {
        let rollout = |name: &str, rollout| (format!("Deployment {name}"), rollout);
        for (rollouts, is_done, retry, reason, parts) in [
            (vec![rollout("a", Rollout::Started)], true, None, Reason::Restarted, &["changed: Deployment a."][..]),
            (vec![rollout("a", Rollout::OnDelete)], true, None, Reason::Restarted, &["OnDelete"]),
            (
                vec![rollout("a", Rollout::Started), rollout("b", Rollout::Paused)],
                false,
                Some(RETRY),
                Reason::RestartPending,
                &["changed: Deployment a.", "resumed: Deployment b."],
            ),
            (vec![rollout("a", Rollout::NoneSelected)], true, None, Reason::Restarted, &["selected: Deployment a."]),
            (vec![rollout("a", Rollout::Missing)], false, None, Reason::RestartFailed, &["Not found"]),
            (
                vec![rollout("a", Rollout::Forbidden)],
                false,
                Some(RETRY_FORBIDDEN),
                Reason::RestartFailed,
                &["restart.enabled=true"],
            ),
            (vec![rollout("a", Rollout::Failed("500".into()))], false, Some(RETRY), Reason::RestartFailed, &["(500)"]),
            (vec![rollout("a", Rollout::Newer)], true, None, Reason::Restarted, &["none was restarted"]),
            (vec![], true, None, Reason::Restarted, &["none was restarted"]),
        ] {
            let summary = summary("checkout", &rollouts);
            assert_eq!((summary.is_done, summary.retry, summary.reason), (is_done, retry, reason), "{rollouts:?}");
            for part in parts {
                assert!(summary.message.contains(part), "{} lacks {part}", summary.message);
            }
        }
    }
}
