//! Conditions of statements.

use super::keys::Keys;
use super::pattern::Pattern;

/// How a condition treats a key with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Single,
    ForAllValues,
    ForAnyValue,
}

/// Comparison of one value of the request with one of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Bool,
    Null,
}

/// An operator with one key and the values that a policy lists for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    quantifier: Quantifier,
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

impl Condition {
    /// A condition, or `None` if the operator is unknown here. Operators for numbers, dates, addresses and binary data are.
    pub(super) fn new(operator: &str, key: &str, values: Vec<String>) -> Option<Self> {
        let (quantifier, name) = match operator.split_once(':') {
            Some(("ForAllValues", name)) => (Quantifier::ForAllValues, name),
            Some(("ForAnyValue", name)) => (Quantifier::ForAnyValue, name),
            Some(_) => return None,
            None => (Quantifier::Single, operator),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (comparison, negated) = match name {
            "StringEquals" => (Comparison::Equals, false),
            "StringNotEquals" => (Comparison::Equals, true),
            "StringEqualsIgnoreCase" => (Comparison::EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Comparison::EqualsIgnoreCase, true),
            // The two comparisons of ARNs behave alike (IAM User Guide, condition operators).
            "StringLike" | "ArnLike" | "ArnEquals" => (Comparison::Like, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Comparison::Like, true),
            "Bool" => (Comparison::Bool, false),
            "Null" if !if_exists => (Comparison::Null, false),
            _ => return None,
        };
        Some(Self { quantifier, comparison, negated, if_exists, key: key.to_owned(), values })
    }

    /// Reports whether the request meets the condition. It does not if a variable has no value.
    pub(super) fn is_met(&self, keys: &Keys) -> bool {
        let present = keys.get(&self.key);
        if self.comparison == Comparison::Null {
            return self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == present.is_none());
        }
        let Some(present) = present else {
            let none_is_fine = self.negated && self.quantifier == Quantifier::Single;
            return self.if_exists || none_is_fine || self.quantifier == Quantifier::ForAllValues;
        };
        let Some(patterns) = self.values.iter().map(|value| Pattern::expand(value, keys)).collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        let listed = |value: &String| patterns.iter().any(|pattern| self.comparison.holds(value, pattern));
        let fits = |value: &String| listed(value) != self.negated;
        match self.quantifier {
            Quantifier::ForAllValues => present.iter().all(fits),
            Quantifier::ForAnyValue => present.iter().any(fits),
            // With several values, one that is listed meets the condition, or fails its negation.
            Quantifier::Single => present.iter().any(listed) != self.negated,
        }
    }
}

impl Comparison {
    fn holds(self, value: &str, pattern: &Pattern) -> bool {
        match self {
            Self::Like => pattern.matches(value),
            Self::Equals => pattern.literal() == value,
            Self::EqualsIgnoreCase | Self::Bool | Self::Null => pattern.literal().eq_ignore_ascii_case(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(operator: &str, key: &str, values: &[&str]) -> bool {
        let keys = Keys::default()
            .with("kms:ViaService", "ssm.eu-central-1.amazonaws.com")
            .with("aws:PrincipalTag/team", "a")
            .with("aws:SecureTransport", "true")
            .with_all("aws:TagKeys", ["team", "stage"]);
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Condition::new(operator, key, values).expect("a known operator").is_met(&keys)
    }

    #[test]
    fn operators() {
        let (via, tag, absent, tags) = ("kms:viaservice", "aws:PrincipalTag/Team", "sts:ExternalId", "aws:TagKeys");
        for (operator, key, values, expected) in [
            ("StringEquals", via, &["ssm.eu-central-1.amazonaws.com"][..], true),
            ("StringEquals", via, &["ssm.*"], false),
            ("StringEquals", tag, &["b", "a"], true),
            ("StringEquals", tag, &["A"], false),
            ("StringEquals", tag, &["${aws:PrincipalTag/team}"], true),
            ("StringEquals", tag, &["${aws:PrincipalTag/other}", "a"], false),
            ("StringNotEquals", tag, &["${aws:PrincipalTag/other}"], false),
            ("StringEqualsIgnoreCase", tag, &["A"], true),
            ("StringLike", via, &["ssm.*.amazonaws.com"], true),
            ("StringLike", via, &["kms.*"], false),
            ("StringNotLike", via, &["kms.*"], true),
            ("StringNotLike", via, &["kms.*", "ssm.*"], false),
            ("StringNotEquals", tag, &["b"], true),
            ("StringNotEquals", tag, &["a", "b"], false),
            ("StringEquals", absent, &["x"], false),
            ("StringNotEquals", absent, &["x"], true),
            ("StringEqualsIfExists", absent, &["x"], true),
            ("StringEqualsIfExists", tag, &["x"], false),
            ("StringNotEqualsIfExists", tag, &["a"], false),
            ("Null", absent, &["true"], true),
            ("Null", absent, &["false"], false),
            ("Null", tag, &["false"], true),
            ("Bool", "aws:SecureTransport", &["True"], true),
            ("Bool", "aws:SecureTransport", &["false"], false),
            ("ForAllValues:StringEquals", tags, &["team", "stage", "more"], true),
            ("ForAllValues:StringEquals", tags, &["team"], false),
            ("ForAllValues:StringEquals", absent, &["team"], true),
            ("ForAnyValue:StringEquals", tags, &["team"], true),
            ("ForAnyValue:StringEquals", tags, &["more"], false),
            ("ForAnyValue:StringEquals", absent, &["team"], false),
            ("ForAllValues:StringNotLike", tags, &["aws:*"], true),
            ("ForAnyValue:StringNotLike", tags, &["te*"], true),
            ("ForAllValues:StringNotLike", tags, &["te*"], false),
            ("ArnLike", via, &["ssm.*"], true),
        ] {
            assert_eq!(met(operator, key, values), expected, "{operator} {key} {values:?}");
        }
    }

    #[test]
    fn unknown_operators_are_refused() {
        for operator in ["StringEqualz", "stringEquals", "ForSomeValues:StringEquals", "NullIfExists", "DateLessThan"] {
            assert_eq!(Condition::new(operator, "aws:TagKeys", Vec::new()), None, "{operator}");
        }
    }
}
