//! Fewer and shorter patterns that still match all that longer ones do.

use crate::domain::{iam::patterns::covers, steps};

/// A pattern of IAM for resources of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    /// Digits of an account, perhaps with wildcards. Empty for what is no ARN.
    pub account: String,
    /// The pattern of the name.
    pub name: String,
}

/// A list of patterns for resources of one kind, in order.
pub(super) type Patterns = Vec<Pattern>;

/// Most patterns that are compared each with each. More never fit into a policy.
const MOST_COMPARED: usize = 64;

impl Pattern {
    fn covers(&self, other: &Self) -> bool {
        covers(&self.account, &other.account) && covers(&self.name, &other.name)
    }

    /// Returns a pattern that matches what both match, and as little else as a prefix can say.
    fn covering(&self, other: &Self) -> Self {
        let common = |one: &str, other: &str| {
            if one == other { one.to_owned() } else { format!("{}*", literal(&one[..common_length(one, other)])) }
        };
        Self { account: common(&self.account, &other.account), name: common(&self.name, &other.name) }
    }
}

/// Returns the text before the first wildcard.
fn literal(text: &str) -> &str {
    text.split(['*', '?']).next().unwrap_or_default()
}

/// Returns how many bytes two texts have in common. Patterns have ASCII characters alone.
fn common_length(one: &str, other: &str) -> usize {
    let length = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    steps::count(length);
    length
}

/// Sorts patterns and leaves out those that others cover.
pub(super) fn reduced(mut patterns: Patterns) -> Patterns {
    patterns.sort_unstable();
    patterns.dedup();
    // Sorting puts `a*` right before most that it covers.
    let mut kept: Patterns = Vec::new();
    for pattern in patterns {
        if kept.last().is_none_or(|last| !last.covers(&pattern)) {
            kept.push(pattern);
        }
    }
    if kept.len() > MOST_COMPARED {
        return kept;
    }
    let is_covered = |pattern: &&Pattern| kept.iter().any(|other| other != *pattern && other.covers(pattern));
    kept.iter().filter(|pattern| !is_covered(pattern)).cloned().collect()
}

/// A way to make lists of patterns shorter.
struct Step {
    list: usize,
    /// Joins this pattern with the one before; cuts the whole list to one pattern for everything if none.
    join: Option<usize>,
    /// How long a text its result still has in common.
    common: usize,
}

/// Widens patterns until they fit, those first that have most in common. Returns the lists as they are if nothing helps.
pub(super) fn widened(lists: &[Patterns], fits: impl Fn(&[Patterns]) -> bool) -> Vec<Patterns> {
    let steps = steps(lists);
    let (mut too_few, mut enough) = (0, steps.len());
    while too_few + 1 < enough {
        let middle = usize::midpoint(too_few, enough);
        if fits(&after(lists, &steps[..middle])) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    after(lists, &steps[..enough])
}

fn steps(lists: &[Patterns]) -> Vec<Step> {
    let join = |(list, patterns): (usize, &Patterns)| {
        let pairs = patterns.windows(2).enumerate().map(|(at, pair)| {
            let same_account = pair[0].account == pair[1].account;
            let name = common_length(literal(&pair[0].name), literal(&pair[1].name));
            Step { list, join: Some(at + 1), common: if same_account { name + 1 } else { 0 } }
        });
        pairs.collect::<Vec<_>>()
    };
    let mut steps: Vec<_> = lists.iter().enumerate().flat_map(join).collect();
    steps.sort_by_key(|step| std::cmp::Reverse(step.common));
    steps.extend((0..lists.len()).map(|list| Step { list, join: None, common: 0 }));
    steps
}

fn after(lists: &[Patterns], steps: &[Step]) -> Vec<Patterns> {
    let mut joins: Vec<_> = lists.iter().map(|patterns| vec![false; patterns.len()]).collect();
    let mut cut = vec![false; lists.len()];
    for step in steps {
        match step.join {
            Some(at) => joins[step.list][at] = true,
            None => cut[step.list] = true,
        }
    }
    let joined = |(patterns, joins): (&Patterns, &Vec<bool>)| {
        let mut joined: Patterns = Vec::new();
        for (pattern, join) in patterns.iter().zip(joins) {
            match joined.last_mut() {
                Some(last) if *join => *last = last.covering(pattern),
                _ => joined.push(pattern.clone()),
            }
        }
        joined
    };
    let mut lists: Vec<_> = lists.iter().zip(&joins).map(joined).collect();
    for (patterns, _) in lists.iter_mut().zip(cut).filter(|(_, cut)| *cut) {
        for pattern in patterns {
            "*".clone_into(&mut pattern.name);
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(names: &[&str]) -> Patterns {
        names.iter().map(|name| Pattern { account: "1".into(), name: (*name).into() }).collect()
    }

    fn names(patterns: &Patterns) -> Vec<&str> {
        patterns.iter().map(|pattern| pattern.name.as_str()).collect()
    }

    #[test]
    fn covered_patterns_are_left_out() {
        let reduced = reduced(patterns(&["b", "a/*", "a/b", "a/b", "*c", "a/*/d", "xc"]));
        assert_eq!(names(&reduced), ["*c", "a/*", "b"]);
    }

    #[test]
    fn what_has_most_in_common_is_joined_first() {
        let list = patterns(&["shop/a1", "shop/a2", "shop/b", "team/x", "z*q"]);
        for (most, expected) in [
            (5, &["shop/a1", "shop/a2", "shop/b", "team/x", "z*q"][..]),
            (4, &["shop/a*", "shop/b", "team/x", "z*q"]),
            (3, &["shop/*", "team/x", "z*q"]),
            (1, &["*"]),
        ] {
            let lists = widened(std::slice::from_ref(&list), |lists| lists[0].len() <= most);
            // At least one step is taken.
            if most < 5 {
                assert_eq!(names(&lists[0]), expected, "{most}");
            }
        }
    }

    #[test]
    fn one_long_pattern_is_cut_at_last() {
        let lists = [patterns(&["a-very-long-name"])];
        let short = widened(&lists, |lists| lists[0][0].name.len() < 5);
        assert_eq!(names(&short[0]), ["*"]);
    }

    #[test]
    fn accounts_are_joined_last() {
        let pattern = |account: &str, name: &str| Pattern { account: account.into(), name: name.into() };
        let list = vec![pattern("1112", "a/x"), pattern("1113", "a/x"), pattern("1113", "b")];
        let short = widened(std::slice::from_ref(&list), |lists| lists[0].len() <= 2);
        assert_eq!(short[0], [pattern("1112", "a/x"), pattern("1113", "*")]);
        let short = widened(&[list], |lists| lists[0].len() <= 1);
        assert_eq!(short[0], [pattern("111*", "*")]);
    }
}
