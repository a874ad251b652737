//! Times in the formats of AWS, as milliseconds since 1970, UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time of the machine.
pub(super) fn system() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `2026-11-23T19:00:00Z`
pub(super) fn iso(ms: i64) -> String {
    let t = Civil::from(ms);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// `20261123T190000Z`, the form of `X-Amz-Date`.
pub(super) fn basic(ms: i64) -> String {
    iso(ms).replace(['-', ':'], "")
}

/// `Mon, 23 Nov 2026 19:00:00 GMT`, the form of the HTTP header.
pub(super) fn http(ms: i64) -> String {
    let t = Civil::from(ms);
    let weekday = WEEKDAYS[index(t.days.rem_euclid(7))];
    let month = MONTHS[index(t.month - 1)];
    format!("{weekday}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT", t.day, t.year, t.hour, t.minute, t.second)
}

/// `Nov 23, 2026, 7:00:00 PM`, as Parameter Store writes the date of a secret.
pub(super) fn american(ms: i64) -> String {
    let t = Civil::from(ms);
    let month = MONTHS[index(t.month - 1)];
    let (hour, half) = ((t.hour + 11) % 12 + 1, if t.hour < 12 { "AM" } else { "PM" });
    format!("{month} {}, {}, {hour}:{:02}:{:02} {half}", t.day, t.year, t.minute, t.second)
}

/// Epoch seconds with three decimals, the timestamp of awsJson. Built from text so that no float rounds it.
pub(super) fn json(ms: i64) -> Value {
    let text = format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000));
    serde_json::from_str(&text).unwrap_or_default()
}

/// Parses the format of [`basic`].
pub(super) fn parse_basic(text: &str) -> Option<i64> {
    let shape = text.len() == 16 && text.is_ascii() && &text[8..9] == "T" && text.ends_with('Z');
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    if !shape {
        return None;
    }
    let days = days_from_civil(number(0, 4)?, number(4, 6)?, number(6, 8)?);
    Some((days * DAY + number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?) * 1000)
}

struct Civil {
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl From<i64> for Civil {
    fn from(ms: i64) -> Self {
        let seconds = ms.div_euclid(1000);
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        Self { days, year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60 }
    }
}

fn index(value: i64) -> usize {
    usize::try_from(value).unwrap_or_default()
}

// Years are counted from 1 March here, so that the leap day is the last day of a year; eras are 400 years.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_in_every_format() {
        let ms = 1_440_938_160_123; // the date of AWS' published signing example
        assert_eq!(iso(ms), "2015-08-30T12:36:00Z");
        assert_eq!(basic(ms), "20150830T123600Z");
        assert_eq!(http(ms), "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!(american(ms), "Aug 30, 2015, 12:36:00 PM");
        assert_eq!(american(ms - 13 * 3_600_000), "Aug 29, 2015, 11:36:00 PM");
        assert_eq!(american(ms - 12 * 3_600_000), "Aug 30, 2015, 12:36:00 AM");
        assert_eq!(json(ms).to_string(), "1440938160.123");
        assert_eq!(parse_basic("20150830T123600Z"), Some(1_440_938_160_000));
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(parse_basic("2015-08-30"), None);
    }

    #[test]
    fn formats_round_trip_over_leap_years() {
        for day in (0..40_000).step_by(17) {
            let ms = day * DAY * 1000 + 45_296_000;
            assert_eq!(parse_basic(&basic(ms)), Some(ms));
        }
    }
}
