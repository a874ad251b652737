//! Values that are lines of `NAME=value`. Own code, since the libraries for it replace `$NAME` by what the process has in
//! its environment: what is in a parameter must not reach into the operator.

use secrecy::SecretString;

/// Fields in the order of the text. Names may repeat; the caller decides about that.
///
/// A line is empty, a comment from `#` on, or a name, `=` and a value. `export` before the name is allowed. A value in
/// single quotes stands for itself; in double quotes, `\n`, `\r`, `\t`, `\\`, `\"` and `\$` are understood; both may
/// go over several lines. Without quotes it ends with the line or at ` #`, and white space around it is dropped. Nothing
/// is substituted.
///
/// # Errors
/// The number of the first line that is none of this, from 1, and why.
pub fn parse(text: &str) -> Result<Vec<(&str, SecretString)>, (usize, &'static str)> {
    let mut fields = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
        let (statement, next) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = statement.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = next;
            continue;
        }
        let at = |problem| (line, problem);
        let (name, _) = statement.split_once('=').ok_or_else(|| at("has no ="))?;
        let value_start = &rest[name.len() + 1..];
        let exported = name.trim_start().strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
        let name = exported.unwrap_or(name).trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(at("has no name before the =, or one with white space in it"));
        }
        let (value, after) = value(value_start).map_err(at)?;
        fields.push((name, value));
        rest = after;
    }
    Ok(fields)
}

/// The value that a text begins with, and what follows its line.
fn value(text: &str) -> Result<(SecretString, &str), &'static str> {
    let start = text.trim_start_matches([' ', '\t']);
    match start.chars().next() {
        Some('\'') => {
            let (value, after) = start[1..].split_once('\'').ok_or("begins a quote that does not end")?;
            Ok((value.to_owned().into(), end_of_line(after)?))
        }
        Some('"') => quoted(&start[1..]),
        _ => {
            let (line, after) = start.split_once('\n').unwrap_or((start, ""));
            let end = line.find(" #").into_iter().chain(line.find("\t#")).min().unwrap_or(line.len());
            let value = if line.starts_with('#') { "" } else { line[..end].trim() };
            Ok((value.to_owned().into(), after))
        }
    }
}

fn quoted(text: &str) -> Result<(SecretString, &str), &'static str> {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value.into(), end_of_line(&text[at + 1..])?)),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, 'r')) => '\r',
                Some((_, 't')) => '\t',
                Some((_, other @ ('\\' | '"' | '$'))) => other,
                _ => return Err("has a backslash before something that it does not go with"),
            }),
            other => value.push(other),
        }
    }
    Err("begins a quote that does not end")
}

/// What follows the line, which may hold nothing more than a comment.
fn end_of_line(text: &str) -> Result<&str, &'static str> {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    match line.trim_start() {
        "" => Ok(after),
        comment if comment.starts_with('#') => Ok(after),
        _ => Err("goes on after its quote"),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        let fields = parse(text).expect("fields");
        fields.into_iter().map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned())).collect()
    }

    #[test]
    fn the_dialect() {
        for (text, expected) in [
            ("A=1", vec![("A", "1")]),
            ("A=1\r\nB=2\r\n", vec![("A", "1"), ("B", "2")]),
            ("\u{feff}A=1", vec![("A", "1")]),
            ("# all\n\n  export A = one two # why\nB=", vec![("A", "one two"), ("B", "")]),
            ("A=a#b\nB=#c", vec![("A", "a#b"), ("B", "")]),
            ("A='$B \\n # x' # y\nB=2", vec![("A", "$B \\n # x"), ("B", "2")]),
            (r#"A="a\nb\"c\\d\$e""#, vec![("A", "a\nb\"c\\d$e")]),
            ("A=\"one\ntwo\"\nB='three\nfour'\n", vec![("A", "one\ntwo"), ("B", "three\nfour")]),
            ("export\tA=1", vec![("A", "1")]),
            ("A=x=y", vec![("A", "x=y")]),
            ("A=$HOME", vec![("A", "$HOME")]),
            ("exported=1", vec![("exported", "1")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_tell_the_line_and_nothing_of_it() {
        for (text, line) in [
            ("A=1\nsecret", 2),
            ("=secret", 1),
            ("A B=secret", 1),
            ("A='secret", 1),
            ("A=1\n\nB=\"secret", 3),
            ("A='a\nb'\nB='c' secret", 3),
            ("A=\"\\secret\"", 1),
        ] {
            let (found, problem) = parse(text).map(drop).expect_err(text);
            assert_eq!(found, line, "{text:?}");
            assert!(!problem.contains("secret"));
        }
    }
}
