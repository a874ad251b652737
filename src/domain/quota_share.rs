//! The share of the quotas of AWS that one process uses, where several share the work.

use std::str::FromStr;

/// The smallest share. With less, a call would wait for minutes.
const LEAST: f64 = 0.01;

/// A share of each quota of AWS: from 0.01 to 1, which is all of it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct QuotaShare(f64);

impl Default for QuotaShare {
    fn default() -> Self {
        Self(1.0)
    }
}

impl FromStr for QuotaShare {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(share) if (LEAST..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err("write a number from 0.01 to 1, such as 0.5 for each of two shards".to_owned()),
        }
    }
}

impl QuotaShare {
    /// Returns the share of a rate, in requests a second.
    pub(crate) fn of(self, requests_per_second: i32) -> f64 {
        f64::from(requests_per_second) * self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_more_than_nothing_and_at_most_all() {
        for (text, of_ten) in [("1", Some(10.0)), ("0.5", Some(5.0)), ("0.01", Some(0.1)), ("0.009", None), ("0", None)]
        {
            assert_eq!(text.parse::<QuotaShare>().ok().map(|share| share.of(10)), of_ten, "{text}");
        }
        for text in ["", "-0.5", "1.01", "50%", "NaN", "inf", "1e-300", "half"] {
            assert!(text.parse::<QuotaShare>().is_err_and(|error| error.contains("from 0.01 to 1")), "{text}");
        }
        assert!(Some(QuotaShare::default()) == "1".parse().ok(), "all of it, unless something else is said");
    }
}
