//! What an action of a template means, and how minijinja writes it.

use std::collections::BTreeSet;

use crate::domain::migrate::template::lexer::Token;

/// Words that minijinja reads as something else than the name of a key, and the map of all keys.
const RESERVED: [&str; 15] =
    ["not", "and", "or", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None", "loop", "data"];
/// How deep expressions may be nested.
const MAX_DEPTH: usize = 32;

/// What is known while an action is translated.
pub(super) struct Scope<'a> {
    /// The keys that the spec names.
    pub(super) keys: &'a BTreeSet<String>,
    /// What the translation takes for granted.
    pub(super) conditions: &'a mut BTreeSet<&'static str>,
}

/// A value of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    /// As minijinja writes it.
    pub(super) text: String,
    /// What is put before it: blanks that `indent` gives to the first line.
    pub(super) before: String,
    /// Whether it needs parentheses before a filter.
    is_composed: bool,
    /// Whether it is a text in any case.
    is_text: bool,
}

impl Expression {
    fn text(text: String) -> Self {
        Self { text, before: String::new(), is_composed: false, is_text: true }
    }

    fn filtered(&self, filter: &str) -> Result<Self, String> {
        Ok(Self::text(format!("{} | {filter}", self.grouped()?)))
    }

    /// Returns it as an operand.
    pub(super) fn grouped(&self) -> Result<String, String> {
        if !self.before.is_empty() {
            return Err("indent has an equivalent only at the end".to_owned());
        }
        Ok(if self.is_composed { format!("({})", self.text) } else { self.text.clone() })
    }
}

/// Translates a pipeline.
///
/// # Errors
/// What has no equivalent, as a sentence without a full stop.
pub(super) fn pipeline(tokens: &[Token], scope: &mut Scope<'_>) -> Result<Expression, String> {
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let expression = parser.pipeline(scope)?;
    if parser.at < tokens.len() {
        return Err("a parenthesis has no beginning".to_owned());
    }
    Ok(expression)
}

/// Returns how minijinja writes the value of a key.
fn key(name: &str, scope: &Scope<'_>) -> Result<String, String> {
    let is_identifier = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_own_data = name == "data" && scope.keys.contains(name);
    if is_identifier && (is_own_data || !RESERVED.contains(&name)) {
        return Ok(name.to_owned());
    }
    if scope.keys.contains("data") {
        return Err(format!("{name} can only be named through the map data, but there is a key data"));
    }
    Ok(format!("data[{}]", literal(name)))
}

/// Writes a text in quotes.
pub(super) fn literal(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Reads commands that pass their values on, up to the end or a closing parenthesis.
    fn pipeline(&mut self, scope: &mut Scope<'_>) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("it is nested too deep".to_owned());
        }
        let mut value = self.command(None, scope)?;
        while self.tokens.get(self.at) == Some(&Token::Pipe) {
            self.at += 1;
            value = self.command(Some(value), scope)?;
        }
        self.depth -= 1;
        Ok(value)
    }

    /// Reads a function with its operands, or one operand. `piped` becomes the last operand.
    fn command(&mut self, piped: Option<Expression>, scope: &mut Scope<'_>) -> Result<Expression, String> {
        if let Some(Token::Word(function)) = self.tokens.get(self.at) {
            let function = function.clone();
            self.at += 1;
            if function == "index" {
                return self.index(piped.is_some(), scope);
            }
            let mut operands = Vec::new();
            while !matches!(self.tokens.get(self.at), None | Some(Token::Pipe | Token::Close)) {
                operands.push(self.operand(scope)?);
            }
            operands.extend(piped);
            return call(&function, &operands, scope);
        }
        if piped.is_some() {
            return Err("only a function can follow a pipe".to_owned());
        }
        let operand = self.operand(scope)?;
        match self.tokens.get(self.at) {
            None | Some(Token::Pipe | Token::Close) => Ok(operand),
            Some(_) => Err("a value is followed by another one without a function".to_owned()),
        }
    }

    /// Reads `index . "key"`, after the word.
    fn index(&mut self, is_piped: bool, scope: &mut Scope<'_>) -> Result<Expression, String> {
        match (is_piped, self.next(), self.next()) {
            (false, Some(Token::Path(names)), Some(Token::Text(name))) if names.is_empty() => {
                match self.tokens.get(self.at) {
                    None | Some(Token::Pipe | Token::Close) => Ok(Expression::text(key(&name, scope)?)),
                    Some(_) => Err("index has an equivalent only as index . \"key\"".to_owned()),
                }
            }
            _ => Err("index has an equivalent only as index . \"key\"".to_owned()),
        }
    }

    fn operand(&mut self, scope: &mut Scope<'_>) -> Result<Expression, String> {
        match self.next() {
            Some(Token::Path(names)) => match &names[..] {
                [name] => Ok(Expression::text(key(name, scope)?)),
                [] => Err("the dot alone has no equivalent".to_owned()),
                [name, ..] => Err(format!("{name} is a text, which has no fields")),
            },
            Some(Token::Text(text)) => Ok(Expression::text(literal(&text))),
            Some(Token::Number(number)) => Ok(Expression { is_text: false, ..Expression::text(number) }),
            Some(Token::Open) => {
                let inner = self.pipeline(scope)?;
                if self.next() != Some(Token::Close) {
                    return Err("a parenthesis does not end".to_owned());
                }
                match self.tokens.get(self.at) {
                    Some(Token::Path(names)) if !names.is_empty() => {
                        let names = names.clone();
                        self.at += 1;
                        Ok(fields(&inner, &names, scope))
                    }
                    _ => Ok(inner),
                }
            }
            Some(Token::Word(word)) => Err(format!("the function {word} without parentheses has no equivalent here")),
            Some(Token::Close) => Err("a parenthesis has no beginning".to_owned()),
            Some(Token::Pipe) | None => Err("a value is missing".to_owned()),
        }
    }
}

/// Returns a field of what `fromJson` gave.
fn fields(value: &Expression, names: &[String], scope: &mut Scope<'_>) -> Expression {
    scope.conditions.insert(
        "the fields that it takes from JSON are texts; Go writes other values in another way, such as large numbers as 1e+06",
    );
    let mut text = format!("({})", value.text);
    for name in names {
        text.extend(["[", &literal(name), "]"]);
    }
    Expression { is_text: false, ..Expression::text(text) }
}

/// Translates a call of a function.
fn call(function: &str, operands: &[Expression], scope: &mut Scope<'_>) -> Result<Expression, String> {
    let one = || match operands {
        [operand] => Ok(operand),
        _ => Err(format!("{function} has an equivalent only with one value")),
    };
    match function {
        "b64enc" => one()?.filtered("b64encode"),
        "b64dec" => {
            scope.conditions.insert("what b64dec gives is text, since a template cannot write other bytes");
            one()?.filtered("b64decode")
        }
        "urlquery" => {
            scope.conditions.insert("no value in urlquery holds a blank, which becomes %20 here and + there");
            one()?.filtered("urlencode")
        }
        "quote" => {
            scope
                .conditions
                .insert("no value in quote holds control characters, which Go writes in another way than JSON");
            one()?.filtered("quote")
        }
        "toRawJson" => one()?.filtered("tojson"),
        "fromJson" => Ok(Expression { is_text: false, ..one()?.filtered("fromjson")? }),
        "toString" => Ok(one()?.clone()),
        "indent" | "nindent" => indent(function, operands, scope),
        "print" if operands.iter().all(|operand| operand.is_text) => concatenated(operands),
        "printf" => printf(operands),
        "eq" => compared(operands, "=="),
        "ne" => compared(operands, "!="),
        "and" | "or" => joined(operands, function),
        "not" => Ok(Expression { is_composed: true, ..Expression::text(format!("not {}", one()?.grouped()?)) }),
        "toJson" => {
            Err("toJson writes <, > and & as escapes, which nothing here does; use toRawJson to keep them".to_owned())
        }
        other => Err(format!("the function {other} has no equivalent")),
    }
}

/// Both pad all lines; ours pads all but the first, and no empty ones.
fn indent(function: &str, operands: &[Expression], scope: &mut Scope<'_>) -> Result<Expression, String> {
    let [width, value] = operands else { return Err(format!("{function} needs a number and a value")) };
    let number: usize =
        width.text.parse().ok().filter(|width| *width <= 100).ok_or("indent allows numbers up to 100")?;
    scope.conditions.insert("values that are indented have no empty lines, and no line break at their end");
    let newline = if function == "nindent" { "\n" } else { "" };
    let before = format!("{newline}{}", " ".repeat(number));
    Ok(Expression { before, ..value.filtered(&format!("indent({number})"))? })
}

fn printf(operands: &[Expression]) -> Result<Expression, String> {
    const ONLY: &str = "printf has an equivalent only with %s and %v for texts";
    let (format, values) = operands.split_first().ok_or(ONLY)?;
    let format = format.text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or(ONLY)?;
    let (mut parts, mut values, mut text, mut rest) = (Vec::new(), values.iter(), String::new(), format);
    let flush = |text: &mut String, parts: &mut Vec<Expression>| {
        if !text.is_empty() {
            parts.push(Expression::text(format!("\"{}\"", std::mem::take(text))));
        }
    };
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let mut characters = after.chars();
        let verb = characters.next().ok_or(ONLY)?;
        match verb {
            '%' => text.push('%'),
            's' | 'v' => {
                flush(&mut text, &mut parts);
                parts.push(values.next().filter(|value| value.is_text).ok_or(ONLY)?.clone());
            }
            _ => return Err(ONLY.to_owned()),
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    flush(&mut text, &mut parts);
    if values.next().is_some() {
        return Err(ONLY.to_owned());
    }
    concatenated(&parts)
}

fn concatenated(parts: &[Expression]) -> Result<Expression, String> {
    let written: Result<Vec<_>, _> = parts.iter().map(Expression::grouped).collect();
    match &written?[..] {
        [] => Ok(Expression::text("\"\"".to_owned())),
        [one] => Ok(Expression::text(one.clone())),
        several => Ok(Expression { is_composed: true, ..Expression::text(several.join(" ~ ")) }),
    }
}

fn compared(operands: &[Expression], operator: &str) -> Result<Expression, String> {
    match operands {
        [left, right] if left.is_text && right.is_text => {
            let text = format!("({}) {operator} ({})", left.grouped()?, right.grouped()?);
            Ok(Expression { is_composed: true, is_text: false, ..Expression::text(text) })
        }
        _ => Err("eq and ne have an equivalent only for two texts".to_owned()),
    }
}

fn joined(operands: &[Expression], operator: &str) -> Result<Expression, String> {
    let written: Result<Vec<_>, _> = operands.iter().map(Expression::grouped).collect();
    let text = written?.join(&format!(" {operator} "));
    Ok(Expression { is_composed: true, is_text: false, ..Expression::text(text) })
}
