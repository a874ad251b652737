//! Durations in the syntax of Go, which has fractions and smaller units than ours.

use std::time::Duration;

use crate::api::Interval;

/// The shortest and the longest interval that a spec can have, besides zero, in seconds.
const LIMITS: (u64, u64) = (10, 168 * 3_600);

/// Returns the length of a duration of Go (`time.ParseDuration`); `None` if it is none. Negative ones count as zero.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        let (digits, after) = rest.split_at_checked(rest.find(|c| !is_digit(c))?)?;
        let number: f64 = digits.parse().ok()?;
        let (unit, after) = after.split_at_checked(after.find(is_digit).unwrap_or(after.len()))?;
        seconds += number
            * match unit {
                "h" => 3_600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" | "μs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = after;
    }
    if is_negative { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(seconds).ok() }
}

/// Returns the interval that comes nearest to a duration, and whether it is the same.
pub(super) fn nearest(duration: Duration) -> (Interval, bool) {
    let seconds = if duration.is_zero() {
        0
    } else {
        (duration.as_secs() + u64::from(duration.subsec_millis() >= 500)).clamp(LIMITS.0, LIMITS.1)
    };
    (written(seconds), Duration::from_secs(seconds) == duration)
}

/// Writes seconds as briefly as possible.
pub(super) fn written(seconds: u64) -> Interval {
    if seconds == 0 {
        return Interval("0s".to_owned());
    }
    let parts = [(seconds / 3_600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts: Vec<_> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}")).collect();
    Interval(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_are_read() {
        for (text, expected) in [
            ("1h", Some(("1h", true))),
            ("1h0m0s", Some(("1h", true))),
            ("90s", Some(("1m30s", true))),
            ("1.5h", Some(("1h30m", true))),
            ("0", Some(("0s", true))),
            ("0s", Some(("0s", true))),
            ("-5m", Some(("0s", true))),
            ("500ms", Some(("10s", false))),
            ("5s", Some(("10s", false))),
            ("720h", Some(("168h", false))),
            ("1d", None),
            ("", None),
            ("h", None),
            ("5", None),
        ] {
            let found = parse(text).map(nearest).map(|(interval, is_same)| (interval.0, is_same));
            assert_eq!(found, expected.map(|(text, is_same)| (text.to_owned(), is_same)), "{text}");
        }
    }
}
