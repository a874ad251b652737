//! Text and actions of a template of Go, and the tokens of an action (package `text/template/parse`).

/// White space that `{{-` and `-}}` trim.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text, after trimming.
    Text(&'a str),
    /// What stands within braces; nothing for a comment.
    Action(Vec<Token>),
}

/// A token of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `.`, `.a`, `.a.b`: the names; none for the dot alone. `$` before it makes no difference outside of blocks that
    /// change the dot.
    Path(Vec<String>),
    /// A word: a function or a keyword.
    Word(String),
    /// A text in quotes.
    Text(String),
    /// A number.
    Number(String),
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `|`.
    Pipe,
}

/// Splits a template.
///
/// # Errors
/// What is not valid or has no equivalent, as a sentence without a full stop.
pub(super) fn split(template: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest, mut trims) = (Vec::new(), template, false);
    loop {
        let (text, action) = match rest.split_once("{{") {
            Some((text, action)) => (text, Some(action)),
            None => (rest, None),
        };
        let text = if trims { text.trim_start_matches(BLANKS) } else { text };
        // Go wants white space between the braces with a hyphen and what follows.
        let trimming = action.and_then(|action| action.strip_prefix('-')).filter(|after| after.starts_with(BLANKS));
        let text = if trimming.is_some() { text.trim_end_matches(BLANKS) } else { text };
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let Some(action) = action else { return Ok(parts) };
        let (tokens, after, trims_after) = tokens(trimming.unwrap_or(action))?;
        parts.push(Part::Action(tokens));
        (rest, trims) = (after, trims_after);
    }
}

/// Reads the tokens of an action. Also returns what follows it, and whether white space there is trimmed.
fn tokens(action: &str) -> Result<(Vec<Token>, &str, bool), String> {
    let mut tokens = Vec::new();
    let mut rest = action.trim_start_matches(BLANKS);
    if let Some(comment) = rest.strip_prefix("/*") {
        let (_, after) = comment.split_once("*/").ok_or("a comment does not end")?;
        let after = after.trim_start_matches(BLANKS);
        let (after, trims) = after
            .strip_prefix("-}}")
            .map(|after| (after, true))
            .or(after.strip_prefix("}}").map(|after| (after, false)))
            .ok_or("a comment is not followed by braces")?;
        return Ok((tokens, after, trims));
    }
    loop {
        let before = rest;
        rest = rest.trim_start_matches(BLANKS);
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((tokens, after, false));
        }
        if before.len() > rest.len()
            && let Some(after) = rest.strip_prefix("-}}")
        {
            return Ok((tokens, after, true));
        }
        let token;
        (token, rest) = self::token(rest)?;
        tokens.push(token);
    }
}

fn token(text: &str) -> Result<(Token, &str), String> {
    let mut characters = text.chars();
    let first = characters.next().ok_or("an action does not end")?;
    let rest = characters.as_str();
    match first {
        '(' => Ok((Token::Open, rest)),
        ')' => Ok((Token::Close, rest)),
        '|' => Ok((Token::Pipe, rest)),
        '"' => quoted(rest),
        '`' => {
            let (raw, rest) = rest.split_once('`').ok_or("a quote does not end")?;
            Ok((Token::Text(raw.to_owned()), rest))
        }
        '.' | '$' => {
            let rest = if first == '$' { rest } else { text };
            if first == '$' && !rest.starts_with('.') {
                return Err("variables have no equivalent".to_owned());
            }
            Ok(path(rest))
        }
        '0'..='9' => {
            let (number, rest) = divided(text, |c| c.is_ascii_digit());
            Ok((Token::Number(number.to_owned()), rest))
        }
        first if first.is_ascii_alphabetic() || first == '_' => {
            let (word, rest) = divided(text, is_name);
            Ok((Token::Word(word.to_owned()), rest))
        }
        other => Err(format!("{other} has no equivalent")),
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Divides a text before the first character that is not of this sort.
fn divided(text: &str, is_inside: impl Fn(char) -> bool) -> (&str, &str) {
    let rest = text.trim_start_matches(is_inside);
    (text.strip_suffix(rest).unwrap_or_default(), rest)
}

/// Reads `.a.b`, which begins with a dot.
fn path(text: &str) -> (Token, &str) {
    let (mut names, mut rest) = (Vec::new(), text);
    while let Some(after) = rest.strip_prefix('.') {
        let name;
        (name, rest) = divided(after, is_name);
        if name.is_empty() {
            break;
        }
        names.push(name.to_owned());
    }
    (Token::Path(names), rest)
}

/// Reads a text in double quotes, after the first of them.
fn quoted(text: &str) -> Result<(Token, &str), String> {
    let mut content = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok((Token::Text(content), characters.as_str())),
            '\n' => break,
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => content.push(escaped),
                Some('n') => content.push('\n'),
                Some('t') => content.push('\t'),
                Some('r') => content.push('\r'),
                _ => return Err("this escape in quotes has no equivalent".to_owned()),
            },
            other => content.push(other),
        }
    }
    Err("a quote does not end".to_owned())
}
