//! `find.name.regexp`: a regular expression on whole names, as a path and globs on names relative to it. Only expressions
//! whose globs match exactly the same names are translated.

use crate::domain::migrate::parameter;

/// Most globs of an entry.
const MAX_GLOBS: usize = 32;

/// What an expression finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The path.
    pub(super) path: String,
    /// Whether names more than one level below the path can match.
    pub(super) recursive: bool,
    /// Globs on names relative to the path; none if all match.
    pub(super) include: Vec<String>,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Characters that stand for themselves.
    Text(String),
    /// `.*`.
    Anything,
    /// `.+`.
    Something,
    /// `[^/]*`.
    Segment,
    /// `[^/]+`.
    NonEmptySegment,
}

/// Translates an expression on the names below a path.
///
/// # Errors
/// What has no equivalent, as a sentence without a full stop.
pub(super) fn translate(path: Option<&str>, regexp: &str) -> Result<Found, String> {
    let parts = parse(regexp)?;
    let path = path.map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty());
    let path = match path {
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(path) => return Err(format!("{path} is not a path, which begins with /")),
        None => root(&parts)?,
    };
    // A rule of access takes the path as part of a glob, so wildcards in it would grant more than is read.
    parameter::check(&path)?;
    let below = below(&parts, &format!("{path}/"))?;
    let include = match &below[..] {
        [] => return Err(format!("it matches no name below {path}")),
        [Part::Anything | Part::Something] => return Ok(Found { path, recursive: true, include: Vec::new() }),
        [Part::NonEmptySegment] => return Ok(Found { path, recursive: false, include: Vec::new() }),
        below => globs(below)?,
    };
    let recursive = include.iter().any(|glob| glob.contains('/'));
    Ok(Found { path, recursive, include })
}

/// Reads an expression. What is not anchored begins or ends with anything.
fn parse(regexp: &str) -> Result<Vec<Part>, String> {
    let (anchored, mut rest) = match regexp.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, regexp),
    };
    let mut parts = if anchored { Vec::new() } else { vec![Part::Anything] };
    let mut is_open = true;
    loop {
        let mut characters = rest.chars();
        let Some(character) = characters.next() else { break };
        if rest == "$" {
            is_open = false;
            break;
        }
        let known = [
            (".*", Part::Anything),
            (".+", Part::Something),
            ("[^/]*", Part::Segment),
            ("[^/]+", Part::NonEmptySegment),
        ];
        if let Some((after, part)) = known.into_iter().find_map(|(text, part)| Some((rest.strip_prefix(text)?, part))) {
            rest = after;
            push(&mut parts, part)?;
        } else {
            let literal = match character {
                '\\' => characters.next().filter(char::is_ascii_punctuation),
                '.' => return Err("a dot matches any character; write \\. if the dot itself is meant".to_owned()),
                '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => None,
                other => Some(other),
            };
            let literal = literal.ok_or("only text, .*, .+, [^/]*, [^/]+, ^ and $ have globs that match the same")?;
            rest = characters.as_str();
            if rest.starts_with(['*', '+', '?', '{']) {
                return Err("repetition of single characters has no equivalent glob".to_owned());
            }
            match parts.last_mut() {
                Some(Part::Text(text)) => text.push(literal),
                _ => parts.push(Part::Text(literal.into())),
            }
        }
    }
    if is_open {
        push(&mut parts, Part::Anything)?;
    }
    Ok(parts)
}

/// Appends a wildcard. Two in a row are one, where that is simple.
fn push(parts: &mut Vec<Part>, part: Part) -> Result<(), String> {
    match (parts.last_mut(), &part) {
        (None | Some(Part::Text(_)), _) => parts.push(part),
        (Some(Part::Anything | Part::Something), Part::Anything) => {}
        (Some(last @ Part::Anything), Part::Something) | (Some(last @ Part::NonEmptySegment), Part::Anything) => {
            *last = Part::Something;
        }
        (Some(last @ Part::Segment), Part::Anything) => *last = Part::Anything,
        _ => return Err("two wildcards that follow each other have no equivalent glob".to_owned()),
    }
    Ok(())
}

/// Returns the path that an expression begins with, for those that name none.
fn root(parts: &[Part]) -> Result<String, String> {
    let text = match parts.first() {
        Some(Part::Text(text)) if text.starts_with('/') => text,
        _ => {
            return Err(
                "all parameters of an account cannot be listed; name a path, or begin the expression with one, as in \
                        ^/shop/"
                    .to_owned(),
            );
        }
    };
    match text.rsplit_once('/') {
        Some((path, _)) if !path.is_empty() => Ok(path.to_owned()),
        _ => Err("the expression does not begin with a whole level of a path, as in ^/shop/".to_owned()),
    }
}

/// Returns what an expression says of the part of a name after `path`, which ends with a slash.
fn below(parts: &[Part], path: &str) -> Result<Vec<Part>, String> {
    let nothing = || format!("it matches no name below {path}");
    let (first, rest) = parts.split_first().ok_or_else(nothing)?;
    match first {
        Part::Text(text) => {
            if let Some(text) = text.strip_prefix(path) {
                let text = Some(text).filter(|text| !text.is_empty()).map(|text| Part::Text(text.to_owned()));
                return Ok(text.into_iter().chain(rest.iter().cloned()).collect());
            }
            let tail = path.strip_prefix(text.as_str()).ok_or_else(nothing)?;
            after(rest, tail)
        }
        _ => after(parts, path),
    }
}

/// Lets the wildcard that `parts` begin with stand for `tail` and what follows it.
fn after(parts: &[Part], tail: &str) -> Result<Vec<Part>, String> {
    let (Some(Part::Anything | Part::Something), rest) = (parts.first(), parts.get(1..).unwrap_or_default()) else {
        return Err(format!("it cannot be divided after the path, before {tail}"));
    };
    match rest.first() {
        Some(Part::Text(text)) if overlaps(tail, text) => {
            Err(format!("the text {text} can begin within the path; begin the expression with ^ and the path"))
        }
        _ => Ok([Part::Anything].into_iter().chain(rest.iter().cloned()).collect()),
    }
}

/// Reports whether a text can begin within `tail`, if anything follows that.
fn overlaps(tail: &str, text: &str) -> bool {
    tail.contains(text) || tail.char_indices().any(|(at, _)| tail.get(at..).is_some_and(|end| text.starts_with(end)))
}

/// Returns the globs that match what the parts match together.
fn globs(parts: &[Part]) -> Result<Vec<String>, String> {
    let mut globs = vec![String::new()];
    for part in parts {
        let pieces: &[&str] = match part {
            Part::Text(text) if text.contains(['*', '?', '[', ']', '{', '}']) => {
                return Err("no name of a parameter holds such characters".to_owned());
            }
            Part::Text(text) => &[text],
            // Within one level, or across some.
            Part::Anything => &["*", "*/**/*"],
            Part::Something => &["?*", "*/**/*"],
            Part::Segment => &["*"],
            Part::NonEmptySegment => &["?*"],
        };
        if globs.len() * pieces.len() > MAX_GLOBS {
            return Err("it would need more than 32 globs".to_owned());
        }
        globs = globs.iter().flat_map(|glob| pieces.iter().map(move |piece| format!("{glob}{piece}"))).collect();
    }
    let is_valid = |glob: &String| glob.len() <= 256 && !glob.starts_with('/') && !glob.ends_with('/');
    if globs.iter().all(is_valid) { Ok(globs) } else { Err("its globs would not be valid".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::name_filter::NameFilter;

    /// Whether a name below the path is found.
    fn finds(found: &Found, name: &str) -> bool {
        let Some(below) = name.strip_prefix(&format!("{}/", found.path)) else { return false };
        let filter = NameFilter::new(&found.include, &[]).expect("valid globs");
        (found.recursive || !below.contains('/')) && filter.admits(below)
    }

    #[test]
    fn globs_find_what_expressions_find() {
        let names =
            ["/shop/app/token", "/shop/app/db-user", "/shop/app/db/user", "/shop/app/db-x/y/token", "/shop/app/x.y"];
        for (path, regexp, expected) in [
            (Some("/shop/app"), ".*", &[true, true, true, true, true][..]),
            (Some("/shop/app/"), "", &[true, true, true, true, true]),
            (None, "^/shop/app/.*", &[true, true, true, true, true]),
            (None, "^/shop/app/.+$", &[true, true, true, true, true]),
            (Some("/shop/app"), "^/shop/.*", &[true, true, true, true, true]),
            (None, "^/shop/app/[^/]+$", &[true, true, false, false, true]),
            (Some("/shop/app"), "^/shop/app/db-", &[false, true, false, true, false]),
            (Some("/shop/app"), "^/shop/app/db-[^/]*$", &[false, true, false, false, false]),
            (Some("/shop/app"), "token$", &[true, false, false, true, false]),
            (Some("/shop/app"), "user", &[false, true, true, false, false]),
            (Some("/shop/app"), r"x\.y$", &[false, false, false, false, true]),
            (Some("/shop/app"), "^/shop/app/token$", &[true, false, false, false, false]),
            (Some("/shop/app"), "^/shop/app/db.*user$", &[false, true, true, false, false]),
        ] {
            let found = translate(path, regexp).unwrap_or_else(|problem| unreachable!("{regexp}: {problem}"));
            let matches: Vec<_> = names.iter().map(|name| finds(&found, name)).collect();
            assert_eq!(matches, expected, "{regexp}: {found:?}");
        }
    }

    #[test]
    fn what_globs_cannot_say_is_refused() {
        for (path, regexp) in [
            (None, ".*"),
            (None, "^/shop.*"),
            (None, "password"),
            (Some("/"), ".*"),
            (Some("/shop/app"), "app"),
            (Some("/shop/app"), "/token$"),
            (Some("/shop/app"), "^/other/.*"),
            (Some("/shop/app"), "a|b"),
            (Some("/shop/app"), "[a-z]+"),
            (Some("/shop/app"), "a.b"),
            (Some("/shop/app"), "ab*"),
            (Some("/shop/app"), r"\d"),
            (Some("/shop/app"), "(?i)x"),
            (Some("shop"), ".*"),
            (Some("/*"), r"^/\*/[^/]+$"),
            (Some("/????"), ".*"),
            (Some("/shop/**"), ".*"),
            (Some("/shop//app"), ".*"),
            (None, r"^/\*/.*"),
            (None, r"^/shop/\{namespace\}/.*"),
        ] {
            assert!(translate(path, regexp).is_err(), "{path:?} {regexp}");
        }
    }
}
