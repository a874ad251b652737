//! The argument `--watch-selector`: a selector of labels as `kubectl --selector` takes it (Kubernetes documentation, Labels
//! and Selectors), but for the comparisons of numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use kube::core::{Expression, Selector, SelectorExt};
use sha2::{Digest, Sha256};

/// Longest name of a key, and longest value.
const LONGEST: usize = 63;

/// Longest prefix of a key.
const LONGEST_PREFIX: usize = 253;

/// A selector of labels that selects not everything. Those that mean the same in other words are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSelector(Selector);

impl WatchSelector {
    /// Reads a selector, such as `team in (a,b),!legacy`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let requirements = split(text).into_iter().map(|requirement| expression(requirement.trim()));
        let expressions: BTreeSet<_> = requirements.collect::<Result<_, _>>()?;
        Ok(Self(expressions.into_iter().collect()))
    }

    /// Reports whether it selects an object with these labels.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }

    /// Returns eight hexadecimal digits of SHA-256 of the selector, by which names differ as selectors do.
    pub fn suffix(&self) -> String {
        let mut digest = format!("{:x}", Sha256::digest(self.to_string()));
        digest.truncate(8);
        digest
    }
}

impl fmt::Display for WatchSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Splits at the commas that are not between parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut is_in_list = false;
    let is_separator = |c: char| {
        match c {
            '(' => is_in_list = true,
            ')' => is_in_list = false,
            _ => {}
        }
        c == ',' && !is_in_list
    };
    text.split(is_separator).collect()
}

fn expression(text: &str) -> Result<Expression, String> {
    if let Some(absent) = text.strip_prefix('!') {
        return Ok(Expression::DoesNotExist(key(absent)?));
    }
    if let Some((head, list)) = text.split_once('(') {
        return set(text, head, list);
    }
    match text.split_once('=') {
        None => Ok(Expression::Exists(key(text)?)),
        Some((name, unequal)) if name.ends_with('!') => {
            Ok(Expression::NotEqual(key(name.trim_end_matches('!'))?, value(unequal)?))
        }
        Some((name, equal)) => Ok(Expression::Equal(key(name)?, value(equal.strip_prefix('=').unwrap_or(equal))?)),
    }
}

/// Reads `key in (a,b)` or `key notin (a,b)`. With one value they are written as others would write them.
fn set(text: &str, head: &str, list: &str) -> Result<Expression, String> {
    let words: Vec<_> = head.split_whitespace().collect();
    let list = list.strip_suffix(')').filter(|list| !list.trim().is_empty());
    let (Some(list), [name, operator @ ("in" | "notin")]) = (list, words.as_slice()) else { return Err(wrong(text)) };
    let (key, values) = (key(name)?, list.split(',').map(value).collect::<Result<BTreeSet<_>, _>>()?);
    let is_in = *operator == "in";
    let mut only = values.iter();
    Ok(match (only.next(), only.next()) {
        (Some(value), None) if is_in => Expression::Equal(key, value.clone()),
        (Some(value), None) => Expression::NotEqual(key, value.clone()),
        _ if is_in => Expression::In(key, values),
        _ => Expression::NotIn(key, values),
    })
}

fn wrong(text: &str) -> String {
    format!(
        "{text:?} is no requirement on labels; write team=a, team!=a, team in (a,b), team notin (a,b), team or !team, and a \
         comma between several"
    )
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (prefix, name) = text.rsplit_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if prefix.is_none_or(is_prefix) && !name.is_empty() && is_value(name) {
        Ok(text.to_owned())
    } else {
        Err(wrong(text))
    }
}

fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if is_value(text) { Ok(text.to_owned()) } else { Err(format!("{text:?} is no value of a label; correct it")) }
}

/// Reports whether this is a subdomain of RFC 1123.
fn is_prefix(prefix: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    prefix.len() <= LONGEST_PREFIX && prefix.split('.').all(is_label)
}

fn is_value(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let mut characters = text.chars();
    text.len() <= LONGEST && text.chars().all(is_inner) && is_end(characters.next()) && is_end(characters.next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> WatchSelector {
        WatchSelector::parse(text).expect(text)
    }

    #[test]
    fn selectors_are_read_as_kubernetes_reads_them() {
        for (text, shown) in [
            ("team=a", "team=a"),
            (" team == a ", "team=a"),
            ("team!=a", "team!=a"),
            ("team=", "team="),
            ("team", "team"),
            ("! team", "!team"),
            ("example.com/team in ( b , a )", "example.com/team in (a,b)"),
            ("team notin(a,b)", "team notin (a,b)"),
            ("team in (a)", "team=a"),
            ("team notin (a,a)", "team!=a"),
            ("team in (a,b),!old,stage=prod", "team in (a,b),stage=prod,!old"),
            ("stage=prod,!old , team in (b,a), stage=prod", "team in (a,b),stage=prod,!old"),
        ] {
            assert_eq!(selector(text).to_string(), shown, "{text}");
            assert_eq!(selector(shown), selector(text), "what is shown is read again");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_a_sentence() {
        for text in [
            "",
            ",",
            "a,",
            "a b",
            "a in b",
            "a in ()",
            "a in (b",
            "a in (b) c",
            "a like (b)",
            "in (b)",
            "a>1",
            "-a",
            "a/",
            "/a",
            "A.com/a",
            "a=b=c",
            "a!b",
            "a=-",
            "a=ü",
            "a in (b,c d)",
            "!",
            "!!a",
            "a=!b",
            "((",
            "a))",
        ] {
            let refused = WatchSelector::parse(text).expect_err(text);
            assert!(refused.contains(" is no ") && refused.contains(';'), "{text}: {refused}");
        }
        let long = "x".repeat(64);
        assert!(WatchSelector::parse(&long).is_err() && WatchSelector::parse(&format!("a={long}")).is_err());
    }

    #[test]
    fn labels_are_matched() {
        let labels = [("team".to_owned(), "a".to_owned()), ("old".to_owned(), String::new())].into();
        for (text, expected) in [
            ("team in (a,b)", true),
            ("team notin (b,c)", true),
            ("missing notin (b,c)", true),
            ("team=a,old", true),
            ("team=a,!old", false),
            ("old=", true),
            ("missing=", false),
            ("team!=a", false),
        ] {
            assert_eq!(selector(text).matches(&labels), expected, "{text}");
        }
    }

    #[test]
    fn the_suffix_is_that_of_sha256sum() {
        // printf 'team=a' | sha256sum
        assert_eq!(selector("team in (a)").suffix(), "289b4946");
        assert_ne!(selector("team=b").suffix(), selector("team=a").suffix());
    }
}
