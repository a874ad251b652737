//! Patterns with wildcards and policy variables.

use super::keys::Keys;

/// One part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Exactly this character.
    Literal(char),
    /// `?`: exactly one character.
    One,
    /// `*`: any characters, also `/` and `:`.
    Any,
}

/// A pattern whose variables have their values.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    /// A pattern without variables.
    fn plain(text: &str) -> Self {
        Self(text.chars().map(part).collect())
    }

    /// A pattern with policy variables, such as `${aws:PrincipalTag/team}`. Wildcards in the value of a variable are plain
    /// characters. Returns `None` if a variable has no value.
    pub(super) fn expand(text: &str, keys: &Keys) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            parts.extend(before.chars().map(part));
            parts.extend(variable(name, keys)?.chars().map(Part::Literal));
            rest = after;
        }
        parts.extend(rest.chars().map(part));
        Some(Self(parts))
    }

    /// The same pattern, in which wildcards are plain characters.
    pub(super) fn literal(&self) -> String {
        let character = |part: &Part| match part {
            Part::Literal(c) => *c,
            Part::One => '?',
            Part::Any => '*',
        };
        self.0.iter().map(character).collect()
    }

    /// Reports whether the pattern matches the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (parts, text) = (&self.0, text.chars().collect::<Vec<_>>());
        let (mut p, mut t) = (0, 0);
        let mut star = None;
        while t < text.len() {
            match parts.get(p) {
                Some(Part::Any) => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(Part::One) => (p, t) = (p + 1, t + 1),
                Some(Part::Literal(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
                // Mismatch: extend the match of the last star by one character and try again.
                _ => match star {
                    Some((at, from)) => {
                        star = Some((at, from + 1));
                        (p, t) = (at + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        parts[p..].iter().all(|part| *part == Part::Any)
    }
}

/// Reports whether a glob matches the text.
pub(in crate::fake_aws) fn matches(glob: &str, text: &str) -> bool {
    Pattern::plain(glob).matches(text)
}

fn part(character: char) -> Part {
    match character {
        '*' => Part::Any,
        '?' => Part::One,
        other => Part::Literal(other),
    }
}

/// The value of a variable, or the default that the policy gives it: `${name, 'default'}`. `${*}`, `${?}` and `${$}` are
/// these characters.
fn variable(name: &str, keys: &Keys) -> Option<String> {
    if matches!(name, "*" | "?" | "$") {
        return Some(name.to_owned());
    }
    let (name, default) = name.split_once(',').map_or((name, None), |(name, text)| (name, Some(text)));
    // A key with several values is no variable.
    let value = match keys.get(name.trim()) {
        Some([value]) => Some(value.clone()),
        _ => None,
    };
    value.or_else(|| default.map(|text| text.trim().trim_matches('\'').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("ssm:Get*", "ssm:GetParameters", true),
            ("ssm:Get*", "ssm:PutParameter", false),
            ("*/team-?/*", "parameter/team-a/x", true),
            ("*/team-?/*", "parameter/team-ab/x", false),
            ("a?", "aü", true),
            ("a?", "a", false),
            ("a*b*c", "aXbbYc", true),
            ("a*b", "abc", false),
            ("parameter/a/*", "parameter/a/b/c", true),
            ("parameter/a/*", "parameter/a", false),
            ("parameter/a*", "parameter/ab/c", true),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn variables_become_plain_text() {
        let keys = Keys::default().with("aws:PrincipalTag/team", "a*").with_all("aws:TagKeys", ["x", "y"]);
        let matching = |pattern: &str, text: &str| Some(Pattern::expand(pattern, &keys)?.matches(text));
        assert_eq!(matching("p/${aws:PrincipalTag/team}/*", "p/a*/x"), Some(true));
        assert_eq!(matching("p/${aws:principaltag/Team}/*", "p/ab/x"), Some(false));
        assert_eq!(matching("p/${aws:PrincipalTag/other}/*", "p//x"), None);
        assert_eq!(matching("p/${aws:TagKeys}", "p/x"), None);
        assert_eq!(matching("p/${aws:PrincipalTag/other, 'none'}", "p/none"), Some(true));
        assert_eq!(matching("p/${*}${?}", "p/*?"), Some(true));
        assert_eq!(matching("p/${*}", "p/x"), Some(false));
        assert_eq!(matching("p/${unclosed", "p/"), None);
    }
}
