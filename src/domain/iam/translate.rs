//! From globs to patterns of IAM. Wildcards of IAM do not stop at `/` (IAM User Guide, "IAM JSON policy elements:
//! Resource"), but no wildcard reaches beyond a colon.

use crate::domain::{iam::patterns::covers, steps};

/// Most patterns that one glob becomes.
pub(super) const MOST_PATTERNS: usize = 16;

/// What a glob matches in one or some accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource<'a> {
    /// Digits of an account, perhaps with wildcards. Empty for what is no ARN.
    pub account: String,
    /// The segments of the glob that are left for the name.
    pub segments: Vec<&'a str>,
}

/// Splits a glob at its slashes. Several `**` in a row mean the same as one.
pub(super) fn segments(glob: &str) -> Vec<&str> {
    steps::count(glob.len());
    let mut segments: Vec<_> = glob.split('/').collect();
    segments.dedup_by(|one, other| *one == "**" && *other == "**");
    segments
}

/// Returns what is left of a glob after a first segment that is exactly this text.
pub(super) fn below<'a>(segments: &[&'a str], text: &str) -> Vec<Vec<&'a str>> {
    let matches = |head: &str| if covers(head, text) { vec![String::new()] } else { Vec::new() };
    after_first(segments, &matches, "").into_iter().map(|resource| resource.segments).collect()
}

/// Returns what is left of a glob after the first segment of ARNs that begin with `before`, an account, and `after`.
pub(super) fn of_arns<'a>(segments: &[&'a str], before: &str, after: &str) -> Vec<Resource<'a>> {
    after_first(segments, &|head| accounts(head, before, after), "*")
}

/// Returns what is left of a glob after its first segment, or the folders for which it stands, matched the first segment
/// of a text in one of the ways that `matches` tells.
fn after_first<'a>(segments: &[&'a str], matches: &dyn Fn(&str) -> Vec<String>, all: &str) -> Vec<Resource<'a>> {
    match segments {
        ["**", rest @ ..] => {
            let stays = Resource { account: all.to_owned(), segments: segments.to_vec() };
            let mut resources = vec![stays];
            resources.extend(after_first(rest, matches, all));
            resources
        }
        [head, rest @ ..] if !rest.is_empty() => {
            let resource = |account| Resource { account, segments: rest.to_vec() };
            matches(head).into_iter().map(resource).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the accounts with which the first segment of a glob matches `before`, the account, and `after`.
fn accounts(head: &str, before: &str, after: &str) -> Vec<String> {
    let mut head: Vec<_> = head.chars().collect();
    head.dedup_by(|one, other| *one == '*' && *other == '*');
    steps::count(head.len() * before.len());
    let starts = reached(&head, before);
    let head_text = |range: std::ops::Range<usize>| head[range].iter().collect::<String>();
    let mut accounts: Vec<String> = Vec::new();
    for start in (0..=head.len()).filter(|at| starts[*at]) {
        // An account has twelve digits, between which are at most thirteen stars.
        for end in start..=head.len().min(start + 25) {
            let with_star = if head.get(end) == Some(&'*') { end + 1 } else { end };
            let account = head_text(start..with_star);
            if is_account(&account) && covers(&head_text(end..head.len()), after) {
                accounts.push(account);
            }
        }
    }
    accounts.sort_unstable();
    accounts.dedup();
    let widest = |account: &&String| !accounts.iter().any(|other| other != *account && covers(other, account));
    accounts.iter().filter(widest).cloned().collect()
}

/// Returns for each place in a glob of one segment whether it is reached by this text.
fn reached(head: &[char], text: &str) -> Vec<bool> {
    let mut states = vec![false; head.len() + 1];
    states[0] = true;
    let pass_stars = |states: &mut Vec<bool>| {
        for at in 0..head.len() {
            if states[at] && head[at] == '*' {
                states[at + 1] = true;
            }
        }
    };
    pass_stars(&mut states);
    for character in text.chars() {
        let mut next = vec![false; head.len() + 1];
        for at in (0..head.len()).filter(|at| states[*at]) {
            match head[at] {
                '*' => next[at] = true,
                '?' => next[at + 1] = true,
                other if other == character => next[at + 1] = true,
                _ => {}
            }
        }
        pass_stars(&mut next);
        states = next;
    }
    states
}

/// Reports whether this can stand for an account, which has twelve digits.
fn is_account(text: &str) -> bool {
    let digits = text.bytes().filter(|byte| *byte != b'*').count();
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'?'))
        && (digits == 12 || digits < 12 && text.contains('*'))
}

/// Reports whether a name can match at all. Names have letters, digits and a few signs (Systems Manager API reference,
/// PutParameter; Secrets Manager API reference, CreateSecret), and STS refuses policies with other characters.
pub(super) fn is_possible(segments: &[&str]) -> bool {
    let possible = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/*?:+=@".contains(&byte);
    segments.iter().all(|segment| segment.bytes().all(possible))
}

/// Returns the patterns of IAM that together match all names that a glob matches, and as little else as IAM can say:
/// its wildcards do not stop at `/`. Reports whether `most` patterns match more than that.
pub(super) fn texts(segments: &[&str], most: usize) -> (Vec<String>, bool) {
    let mut texts = vec![String::new()];
    let mut widened = false;
    for (at, segment) in segments.iter().enumerate() {
        let is_last = at + 1 == segments.len();
        steps::count(segment.len() * texts.len());
        if *segment == "**" && !is_last {
            // No folder, or any: two patterns.
            widened |= 2 * texts.len() > most;
            if 2 * texts.len() <= most {
                let with_folders: Vec<_> = texts.iter().map(|text| format!("{text}*/")).collect();
                texts.extend(with_folders);
            } else {
                for text in &mut texts {
                    text.push('*');
                }
            }
            continue;
        }
        let mut characters: Vec<_> = segment.chars().collect();
        characters.dedup_by(|one, other| *one == '*' && *other == '*');
        for text in &mut texts {
            text.extend(&characters);
            if !is_last {
                text.push('/');
            }
        }
    }
    (texts, widened)
}

/// Returns the patterns of IAM for the paths whose parameters a glob may match in whole. IAM authorizes a listing by the
/// path alone (Systems Manager User Guide, "Restricting access to Parameter Store parameters using IAM policies").
pub(super) fn path_texts(glob: &[&str], most: usize) -> Vec<String> {
    match glob {
        [.., "**"] => or_below(glob, most),
        // A grant covers a path only if any name there matches, also one of a single character.
        [path @ .., last] if is_any_name(last) => or_below(path, most),
        _ => Vec::new(),
    }
}

/// Returns patterns for a path; for itself and all below it if it ends with folders.
fn or_below(path: &[&str], most: usize) -> Vec<String> {
    match path {
        [] => vec![String::new()],
        [itself @ .., "**"] => {
            let mut patterns = or_below(itself, most);
            patterns.extend(texts(path, most).0);
            patterns
        }
        _ => texts(path, most).0,
    }
}

fn is_any_name(segment: &str) -> bool {
    let only_wildcards = segment.bytes().all(|byte| matches!(byte, b'*' | b'?'));
    only_wildcards && segment.contains('*') && segment.bytes().filter(|byte| *byte == b'?').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patterns for parameters of the own account, below `parameter/`.
    fn names(glob: &str) -> Vec<String> {
        let texts = |segments: Vec<&str>| texts(&segments, MOST_PATTERNS).0;
        below(&segments(glob), "").into_iter().flat_map(texts).collect()
    }

    fn paths(glob: &str) -> Vec<String> {
        below(&segments(glob), "").into_iter().flat_map(|segments| path_texts(&segments, MOST_PATTERNS)).collect()
    }

    #[test]
    fn each_form_of_a_glob_has_its_patterns() {
        for (glob, expected) in [
            ("/shop/db", &["shop/db"][..]),
            ("/shop/*", &["shop/*"]),
            ("/shop/**", &["shop/*"]),
            ("/shop/**/**", &["shop/*"]),
            ("/shop/a**b", &["shop/a*b"]),
            ("/shop/db?", &["shop/db?"]),
            ("/**", &["*"]),
            ("**", &["*"]),
            ("/**/db", &["db", "*/db"]),
            ("**/db", &["db", "*/db"]),
            ("/a/**/b", &["a/b", "a/*/b"]),
            ("**/*/b", &["*/b", "*/*/b", "b"]),
            ("*/a", &["a"]),
            ("shop/a", &[]),
            ("/", &[""]),
        ] {
            assert_eq!(names(glob), expected, "{glob}");
        }
    }

    #[test]
    fn a_path_is_allowed_by_itself_too() {
        for (glob, expected) in [
            ("/shop/**", &["shop", "shop/*"][..]),
            ("/shop/*", &["shop"]),
            ("/shop/?*", &["shop"]),
            ("/shop/??*", &[]),
            ("/shop/db*", &[]),
            ("/shop/db", &[]),
            ("/shop/???", &[]),
            ("/**", &["", "*"]),
            ("/*", &[""]),
            ("/a/**/*", &["a", "a/*"]),
            ("/*/db/**", &["*/db", "*/db/*"]),
            ("/**/x/*", &["x", "*/x"]),
        ] {
            assert_eq!(paths(glob), expected, "{glob}");
        }
    }

    #[test]
    fn the_account_of_an_arn_is_found_in_any_glob() {
        for (head, expected) in [
            ("arn:aws:ssm:eu-central-1:444455556666:parameter", &["444455556666"][..]),
            ("arn:aws:ssm:*:444455556666:parameter", &["444455556666"]),
            ("arn:*:*:*:4444*:parameter", &["4444*"]),
            ("arn:aws:ssm:eu-central-1:*:parameter", &["*"]),
            ("arn:*", &["*"]),
            ("arn:*parameter", &["*"]),
            ("arn:**666:parameter", &["*666"]),
            ("arn:aws:ssm:us-east-1:444455556666:parameter", &[]),
            ("arn:aws:ssm:*:4444:parameter", &[]),
            ("arn:aws:ssm:*:44445555666?:parameter", &["44445555666?"]),
            ("arn:aws:s3:*", &[]),
            ("arn:aws:kms:*:*:key", &[]),
        ] {
            assert_eq!(accounts(head, "arn:aws:ssm:eu-central-1:", ":parameter"), expected, "{head}");
        }
    }

    #[test]
    fn many_folders_become_one_pattern_at_last() {
        let (patterns, widened) = texts(&["**", "a", "**", "b", "**", "c", "**", "d", "**", "e"], 16);
        assert!(widened && patterns.len() == 16);
        assert!(patterns.contains(&"a/b/c/d/*e".to_owned()), "{patterns:?}");
        assert!(!texts(&["**", "a", "**", "b", "**", "c", "**", "d"], 16).1);
    }
}
