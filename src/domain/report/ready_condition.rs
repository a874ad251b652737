//! What decides the condition `Ready`, and what it says.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{Condition, DEFAULT_REFRESH_INTERVAL, Reason, status::SecretStatus},
    domain::{
        Fault,
        audit::to_rfc3339,
        report::{attempt::ObservedParameters, key_warning::key_warnings, text::list},
    },
};

/// How many refresh intervals AWS may be out of reach before an object with a good Secret stops being Ready.
const TOLERATED_INTERVALS: u32 = 3;
/// Upper bound of that tolerance.
const TOLERATED_AT_MOST: Duration = Duration::from_secs(3_600);

/// Begins the sentence about parameters that are not encrypted.
const NOT_ENCRYPTED: &str = " Not encrypted in Parameter Store, because they have type String or StringList: ";
/// Begins the sentence about fallbacks, the last one of a message.
const FALLBACKS: &str = " Decrypted by Parameter Store instead of directly by KMS: ";

/// Returns the message of an object whose Secret has its keys. `ready` is the previous condition.
pub(super) fn synced(secret: &str, keys: i32, parameters: &ObservedParameters, ready: Option<&Condition>) -> String {
    let present = parameters.count_present();
    let summary = format!("Secret {secret} holds {} from {}.", count(keys, "key"), count(present, "parameter"));
    let previous = ready.filter(|ready| ready.reason == Reason::Synced.as_str() && ready.message.starts_with(&summary));
    // Until KMS was asked about every key, the previous message about keys stands.
    if let Some(previous) = previous.filter(|_| parameters.keys.values().any(|key| !key.asked)) {
        return previous.message.clone();
    }
    let warnings: String = key_warnings(&parameters.keys).flat_map(|(_, text)| [" ".to_owned(), text]).collect();
    // What is urgent comes first, since a long message is cut.
    [summary, warnings, not_encrypted(parameters), fallbacks(parameters, previous)].concat()
}

/// Returns the message of a failure. `secret` is the Secret that was written before.
pub(super) fn failure_message(fault: &Fault, secret: Option<&SecretStatus>, failing_since: Timestamp) -> String {
    match secret {
        Some(secret) if fault.reason.is_outage() => format!(
            "{} Secret {} is kept as it was; failing since {}.",
            fault.message,
            secret.name,
            to_rfc3339(failing_since)
        ),
        // A Secret that is contested or could not be written may have any content.
        Some(secret) if !fault.reason.concerns_secret() => {
            format!("{} Secret {} is kept as it was.", fault.message, secret.name)
        }
        _ => fault.message.clone(),
    }
}

/// Reports whether an object stays Ready although it fails: while AWS is merely out of reach, for three intervals, at most
/// an hour. `was_good` is whether its Secret was good for this generation; one for another says nothing about this one.
pub(super) fn is_tolerated(fault: &Fault, was_good: bool, failing_for: Duration, interval: Option<Duration>) -> bool {
    let tolerance = (interval.unwrap_or(DEFAULT_REFRESH_INTERVAL) * TOLERATED_INTERVALS).min(TOLERATED_AT_MOST);
    fault.reason.is_outage() && was_good && failing_for < tolerance
}

fn count(number: i32, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn not_encrypted(parameters: &ObservedParameters) -> String {
    let names = parameters.present().filter(|(_, metadata)| &*metadata.type_ != "SecureString");
    let names: Vec<_> = names.map(|(parameter, _)| parameter.to_string()).collect();
    if names.is_empty() { String::new() } else { format!("{NOT_ENCRYPTED}{}.", list(&names)) }
}

/// The sentence about fallbacks; the previous one where they are not known.
fn fallbacks(parameters: &ObservedParameters, previous: Option<&Condition>) -> String {
    let Some(fallbacks) = &parameters.fallbacks else {
        let previous = previous.map_or("", |previous| previous.message.as_str());
        return previous.find(FALLBACKS).map(|at| previous[at..].to_owned()).unwrap_or_default();
    };
    let names: Vec<_> = fallbacks.iter().map(|(parameter, why)| format!("{parameter} ({why})")).collect();
    if names.is_empty() { String::new() } else { format!("{FALLBACKS}{}.", list(&names)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_outage_is_tolerated_for_three_intervals_and_at_most_an_hour() {
        for (reason, was_good, interval, failing_for, expected) in [
            (Reason::Throttled, true, MINUTE, 179, true),
            (Reason::Throttled, true, MINUTE, 180, false),
            (Reason::Throttled, true, MINUTE * 600, 3_599, true),
            (Reason::Throttled, true, MINUTE * 600, 3_600, false),
            (Reason::Throttled, false, MINUTE, 1, false),
            (Reason::AccessDenied, true, MINUTE, 1, false),
        ] {
            let fault = Fault::new(reason, "Fails.");
            let is_tolerated = is_tolerated(&fault, was_good, Duration::from_secs(failing_for), Some(interval));
            assert_eq!(is_tolerated, expected, "{reason} after {failing_for} s");
        }
    }
}
