//! Patterns of IAM as sets of texts: does one cover another, and do two have a text in common?

use crate::domain::steps;

/// One step of a pattern, so that globs and the patterns of IAM can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// This character.
    Is(char),
    /// Any one character; `/` only if `slash`.
    One { slash: bool },
    /// Any number of characters; `/` only if `slash`.
    Many { slash: bool },
    /// What follows up to and with the next `/` may be left out.
    Folders,
}

/// Returns the steps of a pattern of IAM, whose wildcards do not stop at `/`.
pub(super) fn iam_tokens(pattern: &str) -> Vec<Token> {
    let token = |character| match character {
        '*' => Token::Many { slash: true },
        '?' => Token::One { slash: true },
        other => Token::Is(other),
    };
    pattern.chars().map(token).collect()
}

/// Returns the steps of a glob, as segments.
pub(super) fn glob_tokens(segments: &[&str]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let is_last = at + 1 == segments.len();
        match *segment {
            "**" if is_last => tokens.push(Token::Many { slash: true }),
            "**" => tokens.extend([Token::Folders, Token::Many { slash: true }, Token::Is('/')]),
            _ => {
                tokens.extend(segment.chars().map(|character| match character {
                    '*' => Token::Many { slash: false },
                    '?' => Token::One { slash: false },
                    other => Token::Is(other),
                }));
                if !is_last {
                    tokens.push(Token::Is('/'));
                }
            }
        }
    }
    tokens
}

/// Reports whether some text matches both. Takes time in proportion to the product of their lengths.
pub(super) fn overlap(one: &[Token], other: &[Token]) -> bool {
    let width = other.len() + 1;
    let mut seen = vec![false; (one.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        if std::mem::replace(&mut seen[i * width + j], true) {
            continue;
        }
        steps::count(1);
        if i == one.len() && j == other.len() {
            return true;
        }
        open.extend(skips(one, i).into_iter().flatten().map(|i| (i, j)));
        open.extend(skips(other, j).into_iter().flatten().map(|j| (i, j)));
        if let (Some(left), Some(right)) = (one.get(i), other.get(j))
            && have_common_character(*left, *right)
        {
            open.push((after(*left, i), after(*right, j)));
        }
    }
    false
}

/// Returns where a pattern may go on without a character.
fn skips(tokens: &[Token], at: usize) -> [Option<usize>; 2] {
    match tokens.get(at) {
        Some(Token::Many { .. }) => [Some(at + 1), None],
        Some(Token::Folders) => [Some(at + 1), Some(at + 3)],
        _ => [None, None],
    }
}

const fn after(token: Token, at: usize) -> usize {
    if matches!(token, Token::Many { .. }) { at } else { at + 1 }
}

fn have_common_character(one: Token, other: Token) -> bool {
    use Token::{Folders, Is, Many, One};
    match (one, other) {
        (Folders, _) | (_, Folders) => false,
        (Is(one), Is(other)) => one == other,
        (Is(character), One { slash } | Many { slash }) | (One { slash } | Many { slash }, Is(character)) => {
            slash || character != '/'
        }
        (One { .. } | Many { .. }, One { .. } | Many { .. }) => true,
    }
}

/// Reports whether a pattern of IAM matches whatever another one matches. It may miss that in rare cases, but never errs
/// the other way. For a text without wildcards it tells whether the pattern matches it.
pub(super) fn covers(pattern: &str, covered: &str) -> bool {
    let (pattern, covered) = (pattern.as_bytes(), covered.as_bytes());
    let (mut at, mut to) = (0, 0);
    let mut star = None;
    while to < covered.len() {
        steps::count(1);
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, to));
                at += 1;
            }
            // A `?` stands for one character, which `*` in the covered pattern is not.
            Some(&byte) if byte == covered[to] && byte != b'*' || byte == b'?' && covered[to] != b'*' => {
                at += 1;
                to += 1;
            }
            _ => match star {
                Some((back, from)) => {
                    star = Some((back, from + 1));
                    at = back + 1;
                    to = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_matches_less() {
        for (pattern, covered, expected) in [
            ("a/*", "a/b", true),
            ("a/*", "a/*", true),
            ("a/*", "a/b*", true),
            ("a/b*", "a/*", false),
            ("a/?", "a/*", false),
            ("a/*", "a/?", true),
            ("a/??", "a/?", false),
            ("*b", "a/*b", true),
            ("*b*", "a*", false),
            ("a", "a", true),
            ("a", "a*", false),
            ("*", "", true),
        ] {
            assert_eq!(covers(pattern, covered), expected, "{pattern} {covered}");
        }
    }

    #[test]
    fn patterns_overlap_if_a_text_matches_both() {
        for (pattern, glob, expected) in [
            ("a/*/*", "a/*", false),
            ("a/*/*", "a/**", true),
            ("a/*/*", "a/*/b", true),
            ("a/*/*", "**/b", true),
            ("a/*/*", "b/**", false),
            ("a/*/b", "a/**/b", true),
            ("a/x/b", "a/**/c", false),
            ("a/", "a/?", false),
            ("a/b", "a?b", false),
        ] {
            let segments: Vec<_> = glob.split('/').collect();
            assert_eq!(overlap(&iam_tokens(pattern), &glob_tokens(&segments)), expected, "{pattern} {glob}");
        }
    }
}
