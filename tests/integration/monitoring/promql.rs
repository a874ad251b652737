//! What an expression of Prometheus refers to. Reads as much of the language as our expressions use; promtool checks their
//! syntax (see `prometheus`).

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

/// What an expression refers to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct References {
    pub selectors: Vec<Selector>,
    /// Labels of `by`, `on` and the like.
    pub grouping: BTreeSet<String>,
}

/// A metric with what its labels have to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    pub matchers: Vec<Matcher>,
}

/// A label, an operator and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    pub label: String,
    pub operator: String,
    pub value: String,
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Reads an expression.
pub fn references(expr: &str) -> Result<References> {
    let (mut found, mut rest) = (References::default(), expr);
    while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || "_[\"'".contains(c)) {
        rest = &rest[start..];
        if rest.starts_with('[') {
            rest = after(rest, ']')?;
        } else if rest.starts_with(['"', '\'']) {
            rest = after(&rest[1..], rest.chars().next().context("a quote")?)?;
        } else {
            let end = rest.find(|c: char| !c.is_alphanumeric() && !"_:.".contains(c)).unwrap_or(rest.len());
            let (word, tail) = rest.split_at(end);
            rest = found.word(word, tail.trim_start())?;
        }
    }
    Ok(found)
}

fn after(text: &str, end: char) -> Result<&str> {
    Ok(text.split_once(end).with_context(|| format!("no {end} in {text}"))?.1)
}

impl References {
    /// Takes a word and what belongs to it. Returns what follows.
    fn word<'e>(&mut self, word: &str, tail: &'e str) -> Result<&'e str> {
        if word.starts_with(|c: char| c.is_ascii_digit()) || WORDS.contains(&word) {
            return Ok(tail);
        }
        if GROUPING.contains(&word) {
            let (labels, rest) = tail.strip_prefix('(').and_then(|tail| tail.split_once(')')).context("no labels")?;
            let labels = labels.split(',').map(str::trim).filter(|label| !label.is_empty());
            self.grouping.extend(labels.map(str::to_owned));
            return Ok(rest);
        }
        let function = tail.starts_with('(') || tail.starts_with("by ");
        if function {
            return Ok(tail);
        }
        let (mut selector, mut rest) = (Selector { metric: word.to_owned(), ..Selector::default() }, tail);
        if let Some(matchers) = tail.strip_prefix('{') {
            (selector.matchers, rest) = self::matchers(matchers)?;
        }
        self.selectors.push(selector);
        Ok(rest)
    }
}

/// Reads matchers up to the brace. Values hold no quotes.
fn matchers(mut text: &str) -> Result<(Vec<Matcher>, &str)> {
    let mut matchers = Vec::new();
    loop {
        text = text.trim_start_matches([' ', ',', '\n']);
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((matchers, rest));
        }
        let (left, rest) = text.split_once('"').with_context(|| format!("no value in {text}"))?;
        let (value, rest) = rest.split_once('"').with_context(|| format!("no end in {text}"))?;
        let at = left.find(['=', '!']).context("no operator")?;
        let (label, operator) = (left[..at].trim().to_owned(), left[at..].trim().to_owned());
        ensure!(["=", "!=", "=~", "!~"].contains(&operator.as_str()), "{operator} is no operator");
        matchers.push(Matcher { label, operator, value: value.to_owned() });
        text = rest;
    }
}

#[test]
fn expressions_are_read() -> Result<()> {
    let expr = r#"histogram_quantile(0.9, sum by (job, le) (rate(a_bucket{w="Q", x!~"y|z"}[5m]))) > 60
        unless on () group(b) and sum(c offset 5m) by (k) or vector(0)"#;
    let found = references(expr)?;
    let metrics: Vec<_> = found.selectors.iter().map(|selector| selector.metric.as_str()).collect();
    assert_eq!(metrics, ["a_bucket", "b", "c"]);
    let [first, second] = &found.selectors[0].matchers[..] else { anyhow::bail!("{found:?}") };
    assert_eq!((first.label.as_str(), first.operator.as_str(), first.value.as_str()), ("w", "=", "Q"));
    assert_eq!((second.label.as_str(), second.operator.as_str(), second.value.as_str()), ("x", "!~", "y|z"));
    assert_eq!(found.grouping, ["job", "k", "le"].map(str::to_owned).into());
    Ok(())
}
