//! What to do about a reason.

use crate::api::Reason;

/// Returns what a person should do next, in the words of `docs/reasons.md`. The message of the condition says more.
pub fn next_step(reason: Reason) -> &'static str {
    match reason {
        Reason::Synced | Reason::Restarted => "Nothing.",
        Reason::Progressing => "Wait. If it stays, check that the operator runs and that the store is ready.",
        Reason::Suspended => "Set spec.suspend to false, or run kubectl secureparam resume.",
        Reason::InvalidSpec => "Correct the spec.",
        Reason::KeyCollision => "Rename one key, set keys of a dataFrom entry, or set keyConflicts: LastWins.",
        Reason::TemplateError => "Correct spec.target.template.",
        Reason::ValueError => "Correct the parameter or the spec. The value is read again when either changes.",
        Reason::CiphertextInvalid => "Correct kmsDecrypt or the parameter.",
        Reason::PathEmpty => "Create a parameter there, correct the path, or set optional: true.",
        Reason::SecretTooLarge => "Split the object, or name a longer path.",
        Reason::StoreNotFound => "Create the store, name another, or grant the right that the message names.",
        Reason::StoreNotReady => {
            "See the condition of the store; of a ClusterParameterStore, the platform team sees it."
        }
        Reason::NamespaceLimitReached => {
            "Remove some of what the message names, or ask whoever runs the operator to raise the limit."
        }
        Reason::PolicyDenied => {
            "Ask the platform team for the change that the message names: a rule, and the glob to add to \
             it; or write the parameter with a granted key."
        }
        Reason::ParameterNotFound => "Create the parameters, correct their names, or set optional: true.",
        Reason::VersionNotFound => "Correct the version or the label in the spec.",
        Reason::AccessDenied => "Allow the action in the policy that the message names.",
        Reason::DecryptDenied => "Allow kms:Decrypt in both policies, or where the message says.",
        Reason::KeyUnavailable => "Enable the key, or write the parameter with another key.",
        Reason::CredentialsInvalid => {
            "Renew the credentials, or correct the Secret that holds them. A change of it is noticed at once."
        }
        Reason::EndpointUnreachable => "Check DNS, VPC endpoints (ssm, kms, sts) and proxies.",
        Reason::Throttled => "If AWS throttles, lower quota; if not, raise it.",
        Reason::ServiceUnavailable => "Wait.",
        Reason::InternalError => {
            "Report the bug with the place that the message names. To try again, change the annotation \
             secureparameter.io/sync."
        }
        Reason::SecretConflict => {
            "Choose another name, delete the Secret, or hand it over by annotation; or write beside its owner with Merge."
        }
        Reason::SecretContested => {
            "Stop the other field manager, or let it make the Secret and write beside it with Merge."
        }
        Reason::SecretWriteFailed => "See the message.",
        Reason::RestartPending => "Wait, or resume the paused workload.",
        Reason::RestartFailed => "Correct spec.restart, or install the chart with restart.enabled=true.",
    }
}
