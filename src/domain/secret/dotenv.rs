//! Values that are lines of `NAME=value`. Libraries for this format replace `$NAME` by variables of the process, and a
//! parameter must not reach into the operator's environment; so this is our own code. All work is linear in the text.

use secrecy::SecretString;

use crate::domain::steps;

const UNTERMINATED: &str = "opens a quote that is never closed";

/// Returns the fields in the order of the text. Names may repeat.
///
/// A line is empty, a comment that begins with `#`, or a name, `=` and a value, with an optional `export` before the
/// name. A value without quotes ends with the line or at ` #`, and white space around it is dropped. Values in quotes may
/// span several lines; see [`single_quoted`] and [`double_quoted`]. Nothing is substituted.
///
/// # Errors
/// The number, from 1, of the first line that is none of this, and what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<(&str, SecretString)>, (usize, &'static str)> {
    let mut fields = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (first_line, next) = split_line(rest);
        let after = if matches!(first_line.trim().chars().next(), None | Some('#')) {
            next
        } else {
            let (name, value, after) = field(first_line, rest).map_err(|problem| (line, problem))?;
            fields.push((name, value));
            after
        };
        line += count_lines(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    Ok(fields)
}

/// Returns name and value of the field that `text` begins with, and what follows its last line.
fn field<'a>(first_line: &'a str, text: &'a str) -> Result<(&'a str, SecretString, &'a str), &'static str> {
    let (name, _) = first_line.split_once('=').ok_or("has no `=`")?;
    let value_start = &text[name.len() + 1..];
    let exported = name.trim_start().strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let name = exported.unwrap_or(name).trim();
    if name.is_empty() {
        return Err("has no name before its `=`");
    }
    if name.contains(char::is_whitespace) {
        return Err("has white space in the name before its `=`");
    }
    let (value, after) = value(value_start)?;
    Ok((name, value, after))
}

/// Returns the value that a text begins with, and what follows its last line.
fn value(text: &str) -> Result<(SecretString, &str), &'static str> {
    let start = text.trim_start_matches([' ', '\t']);
    match start.chars().next() {
        Some('\'') => single_quoted(&start[1..]),
        Some('"') => double_quoted(&start[1..]),
        _ => {
            let (line, after) = split_line(start);
            let end = line.find(" #").into_iter().chain(line.find("\t#")).min().unwrap_or(line.len());
            let value = if line.starts_with('#') { "" } else { line[..end].trim() };
            Ok((value.to_owned().into(), after))
        }
    }
}

/// Returns the value whose opening single quote was just read, and what follows its last line.
///
/// Everything stands for itself but a quote within, which shells write as `'\''` or `'"'"'` and other tools as `\'`. A
/// quote after a backslash closes the value if nothing but a comment follows it.
fn single_quoted(text: &str) -> Result<(SecretString, &str), &'static str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    loop {
        let (piece, after) = rest.split_once('\'').ok_or(UNTERMINATED)?;
        steps::count(piece.len() + 1);
        let quote = ["\\''", "\"'\"'"].iter().find_map(|quote| after.strip_prefix(quote));
        match (piece.strip_suffix('\\'), quote) {
            (Some(piece), _) if !is_closed(after) => {
                pieces.extend([piece, "'"]);
                rest = after;
            }
            (None, Some(after)) => {
                pieces.extend([piece, "'"]);
                rest = after;
            }
            _ => {
                pieces.push(piece);
                // One allocation, since a string that grew would leave copies of the value in memory that is not wiped.
                return Ok((pieces.concat().into(), end_of_line(after)?));
            }
        }
    }
}

/// Reports whether nothing but a comment follows in the line, in which there is no further single quote either.
fn is_closed(text: &str) -> bool {
    let end = text.find(['\'', '\n']).unwrap_or(text.len());
    steps::count(end + 1);
    let (rest, next) = text.split_at(end);
    !next.starts_with('\'') && matches!(rest.trim_start().chars().next(), None | Some('#'))
}

/// Returns the value whose opening double quote was just read, and what follows its last line.
///
/// `\n`, `\r` and `\t` are control characters. A backslash before another letter or a digit stays, as in shells, Node and
/// Python; before anything else it is dropped, as exporters write `\\`, `\"`, `\$`, `\!` and `` \` ``.
fn double_quoted(text: &str) -> Result<(SecretString, &str), &'static str> {
    let end = closing_quote(text).ok_or(UNTERMINATED)?;
    // Escapes only make it shorter, so it does not grow and leaves no copies in memory that is not wiped.
    let mut value = String::with_capacity(end);
    let mut characters = text[..end].chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = characters.peek().copied().filter(|_| character == '\\');
        let meant = match escaped {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(other) if !other.is_ascii_alphanumeric() => other,
            _ => {
                value.push(character);
                continue;
            }
        };
        characters.next();
        value.push(meant);
    }
    Ok((value.into(), end_of_line(&text[end + 1..])?))
}

/// Returns where the first double quote is that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    steps::count(2 * end.unwrap_or(text.len()));
    end
}

/// Returns what follows the line, which may hold nothing more than a comment.
fn end_of_line(text: &str) -> Result<&str, &'static str> {
    let (line, after) = split_line(text);
    if matches!(line.trim_start().chars().next(), None | Some('#')) {
        Ok(after)
    } else {
        Err("has text after its closing quote")
    }
}

fn split_line(text: &str) -> (&str, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    steps::count(line.len() + 1);
    (line, after)
}

/// Counts the ends of lines.
fn count_lines(text: &str) -> usize {
    steps::count(text.len());
    text.matches('\n').count()
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
    fn every_style_of_line_is_read() {
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
            (r#"A="p\!ss\$w\`rd \"q\" back\\slash \#""#, vec![("A", r#"p!ss$w`rd "q" back\slash #"#)]),
            (r#"A="\d+\1 C:\dir""#, vec![("A", r"\d+\1 C:\dir")]),
            (r"A='it'\''s' # shell", vec![("A", "it's")]),
            ("A='it'\"'\"'s'\nB=2", vec![("A", "it's"), ("B", "2")]),
            (r"A='it\'s \'x\''", vec![("A", "it's 'x'")]),
            ("A='C:\\dir\\' # x\nB='\\'", vec![("A", "C:\\dir\\"), ("B", "\\")]),
            ("A=x=y", vec![("A", "x=y")]),
            ("A=$HOME", vec![("A", "$HOME")]),
            ("exported=1", vec![("exported", "1")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_does_not_quote_it() {
        for (text, line) in [
            ("A=1\nsecret", 2),
            ("=secret", 1),
            ("A B=secret", 1),
            ("A='secret", 1),
            ("A=1\n\nB=\"secret", 3),
            ("A='a\nb'\nB='c' secret", 3),
            ("A=\"secret\\", 1),
            ("A='it'\\''secret", 1),
        ] {
            let (found, problem) = parse(text).map(drop).expect_err(text);
            assert_eq!(found, line, "{text:?}");
            assert!(!problem.contains("secret"));
        }
    }
}
