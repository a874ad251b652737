//! Parsers of names and durations.

use std::time::Duration;

use clap::builder::RangedU64ValueParser;

/// Accepts whole numbers from 1.
pub(super) fn positive() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..)
}

/// Accepts what AWS allows both in the name of a role session and in the value of a session tag.
pub(super) fn cluster_name(text: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if (1..=100).contains(&text.len()) && text.bytes().all(is_allowed) {
        Ok(text.to_owned())
    } else {
        Err("write 1 to 100 letters, digits, and the characters _.-".to_owned())
    }
}

/// Checks the name of a namespace: a label of RFC 1123.
pub(super) fn namespace(name: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_valid = !name.is_empty() && name.len() <= 63 && name.chars().all(is_inner);
    if is_valid && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(name.to_owned());
    }
    Err("a name of a namespace has lowercase letters, digits and '-', and between 1 and 63 characters".to_owned())
}

/// Checks the name of an object, such as a SecureParameter or a Lease: a subdomain of RFC 1123. Other text could become another
/// part of the address of a request.
pub(super) fn object_name(name: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(name.to_owned());
    }
    Err("a name of an object has lowercase letters, digits, '-' and '.', and at most 253 characters".to_owned())
}

/// Checks the duration of a lease: whole seconds, since a Lease can say no others.
pub(super) fn lease_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<u64>().ok();
    match seconds.filter(|seconds| (2..=3_600).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("write whole seconds, from 2s to 3600s".to_owned()),
    }
}

/// Checks how long to wait: whole seconds or minutes.
pub(super) fn patience(text: &str) -> Result<Duration, String> {
    let (number, unit) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(seconds), _) => (seconds, 1),
        (None, Some(minutes)) => (minutes, 60),
        (None, None) => (text, 1),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds.filter(|seconds| *seconds <= 86_400) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("write whole seconds or minutes, such as 90s or 5m, at most a day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_addresses() {
        let long = "a".repeat(100);
        for name in ["mail", "mail.v2", "0", &long] {
            assert!(object_name(name).is_ok(), "{name}");
        }
        for name in ["", "mail/status", "mail#x", "mail?dryRun=All", "..", "-a", "a-", "Mail", "a b", &"a".repeat(254)]
        {
            assert!(object_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn waits_are_seconds_or_minutes() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("7", Some(7)),
            ("0s", Some(0)),
            ("", None),
            ("-1s", None),
            ("2h", None),
        ] {
            assert_eq!(patience(text).ok(), expected.map(Duration::from_secs), "{text:?}");
        }
        assert!(patience("18446744073709551615m").is_err());
    }

    #[test]
    fn the_name_of_a_cluster_fits_into_names_of_sessions() {
        for (text, expected) in
            [("blue", true), ("EU_1.a-b", true), ("", false), ("a b", false), ("a/b", false), ("blü", false)]
        {
            assert_eq!(cluster_name(text).is_ok(), expected, "{text:?}");
        }
        assert!(cluster_name(&"c".repeat(100)).is_ok() && cluster_name(&"c".repeat(101)).is_err());
    }
}
