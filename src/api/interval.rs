//! Durations as users write them: `90s`, `5m`, `1h30m`.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration in hours, minutes and seconds, for example `1h30m`. A rule of the field that holds it says which lengths are
/// allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Interval(pub String);

impl Interval {
    /// Returns its length, or `None` if it is not a sequence of whole numbers each followed by `h`, `m` or `s`.
    pub fn parse(&self) -> Option<Duration> {
        if self.0.is_empty() {
            return None;
        }
        let mut rest = self.0.as_str();
        let mut seconds = 0_u64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            let scale = match rest.as_bytes()[digits] {
                b'h' => 3_600,
                b'm' => 60,
                b's' => 1,
                _ => return None,
            };
            seconds = seconds.checked_add(number.checked_mul(scale)?)?;
            rest = &rest[digits + 1..];
        }
        Some(Duration::from_secs(seconds))
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_as_the_schema_allows_them() {
        for (text, seconds) in [("0s", 0), ("10s", 10), ("5m", 300), ("1h30m", 5_400), ("168h", 604_800)] {
            assert_eq!(Interval(text.into()).parse(), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "m", "5d", "-5s", "1.5h", "99999999999999999999s"] {
            assert_eq!(Interval(text.into()).parse(), None, "{text}");
        }
    }
}
