//! JSONPath, restricted to the singular queries of RFC 9535 (section 2.3.5.1): names and indices only, so a path has at
//! most one match by its form. Parsing takes time linear in the path, and a search takes time linear in the value.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use secrecy::SecretString;

use crate::domain::{
    secret::{
        json::content,
        json_document::{Document, Kind, Node},
    },
    steps,
};

/// Most names and indices of a path.
const MAX_SEGMENTS: usize = 64;
/// Largest magnitude of an index: the range of exact integers of I-JSON (RFC 9535, section 2.1).
const MAX_INDEX: i64 = (1 << 53) - 1;
/// White space of RFC 9535 (rule `B`).
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];
/// Characters besides those of names that people write after a dot. With them a name needs quotes.
const NEEDS_QUOTES: &str = "-/@:$+#%";
const MATCHES_NOTHING: &str = "matches nothing";

/// A parsed path. Copies share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath {
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

/// One step from a node to a child of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// A field of an object.
    Name(String),
    /// An element of an array; negative ones count from its end.
    Index(i64),
}

/// Parses a path.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the path.
pub(crate) fn parse(text: &str) -> Result<JsonPath, String> {
    let rest = text.strip_prefix('$').ok_or("does not begin with $")?;
    let mut parser = Parser { text, rest, lacks_quotes: false };
    let mut segments = Vec::new();
    while !parser.rest.is_empty() {
        if segments.len() == MAX_SEGMENTS {
            return Err(format!("has more than {MAX_SEGMENTS} names and indices"));
        }
        segments.push(parser.segment()?);
    }
    if parser.lacks_quotes {
        return Err(format!("needs quotes around a name: write {}", Spelling(&segments)));
    }
    Ok(JsonPath { text: text.into(), segments: segments.into() })
}

impl JsonPath {
    /// Returns what the path selects: the content of a string, the text of any other JSON value to the letter.
    ///
    /// # Errors
    /// Why there is no match, as the end of a sentence that begins with the path. Holds nothing of the value.
    pub(crate) fn find(&self, json: &str) -> Result<SecretString, String> {
        let document = Document::parse(json).ok_or("needs JSON, but finds something else")?;
        let node = self.segments.iter().try_fold(document.root(), |node, segment| segment.select(node))?;
        Ok(content(node).ok_or("finds a string that is not valid Unicode")?)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Segment {
    /// Returns a child of a node.
    fn select<'d, 'a>(&self, node: Node<'d, 'a>) -> Result<Node<'d, 'a>, &'static str> {
        match (self, node.kind()) {
            (Self::Name(name), Kind::Object) => {
                let fields = node.fields().map(|(other, value)| Some((other?, value)));
                let fields: Vec<_> =
                    fields.collect::<Option<_>>().ok_or("goes through a field name that is not valid Unicode")?;
                let mut values = fields.into_iter().filter(|(other, _)| other == name);
                match (values.next(), values.next()) {
                    (Some((_, value)), None) => Ok(value),
                    (None, _) => Err(MATCHES_NOTHING),
                    (Some(_), Some(_)) => Err("goes through an object that has the same field twice"),
                }
            }
            (Self::Index(index), Kind::Array) => {
                let items: Vec<_> = node.items().collect();
                let from_end =
                    usize::try_from(index.unsigned_abs()).ok().and_then(|back| items.len().checked_sub(back));
                let place = usize::try_from(*index).ok().or(from_end);
                place.and_then(|place| items.get(place)).copied().ok_or(MATCHES_NOTHING)
            }
            _ => Err(MATCHES_NOTHING),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    /// Whether a name was read that is valid only in quotes.
    lacks_quotes: bool,
}

impl Parser<'_> {
    fn segment(&mut self) -> Result<Segment, String> {
        self.skip_blanks();
        if self.skip('.') {
            return self.shorthand().map(Segment::Name);
        }
        if !self.skip('[') {
            return Err(self.unexpected());
        }
        self.skip_blanks();
        let segment = match self.peek() {
            Some(quote @ ('\'' | '"')) => Segment::Name(self.quoted(quote)?),
            Some('-' | '0'..='9') => Segment::Index(self.index()?),
            Some(first) if is_name_char(first) => {
                // No valid path; read for the sake of the hint.
                self.lacks_quotes = true;
                Segment::Name(self.shorthand()?)
            }
            _ => return Err(self.unexpected()),
        };
        self.skip_blanks();
        if self.skip(']') { Ok(segment) } else { Err(self.unexpected()) }
    }

    /// Reads a name that is not in quotes.
    fn shorthand(&mut self) -> Result<String, String> {
        let end = self.rest.find(|character| !is_bare(character)).unwrap_or(self.rest.len());
        steps::count(end);
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if name.is_empty() || matches!(self.peek(), Some('(' | '*' | '?')) {
            return Err(self.unexpected());
        }
        self.lacks_quotes |= !is_shorthand(name);
        Ok(name.to_owned())
    }

    fn index(&mut self) -> Result<i64, String> {
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let length = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
        steps::count(length);
        let (number, rest) = self.rest.split_at(self.rest.len() - digits.len() + length);
        let is_canonical = number == "0" || length > 0 && !digits.starts_with('0');
        if !is_canonical {
            return Err(format!("has an invalid index {number}"));
        }
        self.rest = rest;
        let index = number.parse().ok().filter(|index: &i64| index.abs() <= MAX_INDEX);
        index.ok_or_else(|| format!("has an index beyond {MAX_INDEX}"))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        self.skip(quote);
        let mut name = String::new();
        loop {
            match self.next() {
                None => return Err("has a quote that does not end".to_owned()),
                Some(end) if end == quote => return Ok(name),
                Some('\\') => name.push(self.escape(quote)?),
                Some('\0'..' ') => {
                    return Err("has a control character in quotes: write it as \\u and four digits".into());
                }
                Some(other) => name.push(other),
            }
        }
    }

    /// Reads what follows a backslash in quotes.
    fn escape(&mut self, quote: char) -> Result<char, String> {
        let escaped = match self.next() {
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some(other) if other == quote || matches!(other, '/' | '\\') => Some(other),
            Some('u') => self.unicode(),
            _ => None,
        };
        escaped.ok_or_else(|| format!("has an invalid escape before character {}", self.number()))
    }

    /// Reads four hexadecimal digits, or two times four of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hexadecimal()?;
        let mut units = vec![first];
        if (0xD800..0xDC00).contains(&first) {
            self.rest = self.rest.strip_prefix("\\u")?;
            units.push(self.hexadecimal()?);
        }
        char::decode_utf16(units).next()?.ok()
    }

    fn hexadecimal(&mut self) -> Option<u16> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.rest = &self.rest[4..];
        u16::from_str_radix(digits, 16).ok()
    }

    /// Says what is wrong with the next character.
    fn unexpected(&self) -> String {
        let feature = match self.peek() {
            None => return "ends too early".to_owned(),
            Some('*') => "a wildcard (*)",
            Some('?') => "a filter (?)",
            Some(':') => "a slice (:)",
            Some(',') => "several selectors (,)",
            Some('(') => "a function",
            Some('.') => "descendants (..)",
            Some(other) => return format!("has an unexpected {other:?} at character {}", self.number()),
        };
        format!("uses {feature}, but only names and indices are allowed, as in $.users[0]['first-name']")
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest.trim_start_matches(BLANKS);
        steps::count(self.rest.len() - rest.len() + 1);
        self.rest = rest;
    }

    fn skip(&mut self, expected: char) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        steps::count(1);
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// Number of the next character, from 1.
    fn number(&self) -> usize {
        self.text[..self.text.len() - self.rest.len()].chars().count() + 1
    }
}

/// Writes segments as a valid path.
struct Spelling<'a>(&'a [Segment]);

impl fmt::Display for Spelling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('$')?;
        for segment in self.0 {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Name(name) if is_shorthand(name) => write!(f, ".{name}")?,
                Segment::Name(name) => {
                    f.write_str("['")?;
                    for character in name.chars() {
                        match character {
                            '\'' | '\\' => write!(f, "\\{character}")?,
                            '\0'..' ' => write!(f, "\\u{:04x}", u32::from(character))?,
                            _ => f.write_char(character)?,
                        }
                    }
                    f.write_str("']")?;
                }
            }
        }
        Ok(())
    }
}

/// Reports whether a name may follow a dot (rule `member-name-shorthand`).
fn is_shorthand(name: &str) -> bool {
    name.starts_with(|first: char| is_name_char(first) && !first.is_ascii_digit()) && name.chars().all(is_name_char)
}

fn is_name_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii()
}

fn is_bare(character: char) -> bool {
    is_name_char(character) || NEEDS_QUOTES.contains(character)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const JSON: &str = r#" {"user": "app", "port": 5432, "tls": null, "hosts": ["a", "b"], "n": {"x": true}, "e": "",
        "id": 12345678901234567890123, "b": 100.00, "o": {"z": 1.10, "a": 1E400}, "it's": {"q\"": "é\n"},
        "foo.bar": 1, "": 2, "zürich": 3, "hyphen-key": 4, "💥": 5, "a": [{"b": [[6]]}], "\u0061\/b": 7} "#;

    fn found(path: &str, json: &str) -> Result<String, String> {
        parse(path)?.find(json).map(|found| found.expose_secret().to_owned())
    }

    #[test]
    fn a_match_is_the_value_to_the_letter() {
        for (path, expected) in [
            ("$.user", "app"),
            ("$['user']", "app"),
            ("$.port", "5432"),
            ("$.tls", "null"),
            ("$.hosts", r#"["a", "b"]"#),
            ("$.hosts[1]", "b"),
            ("$.hosts[-1]", "b"),
            ("$.hosts[-2]", "a"),
            ("$.n", r#"{"x": true}"#),
            ("$.e", ""),
            ("$.id", "12345678901234567890123"),
            ("$.b", "100.00"),
            ("$.o", r#"{"z": 1.10, "a": 1E400}"#),
            ("$.o.a", "1E400"),
            (r#"$["it's"]["q\""]"#, "é\n"),
            (r"$['it\'s']['q\u0022']", "é\n"),
            ("$['foo.bar']", "1"),
            ("$['']", "2"),
            ("$.zürich", "3"),
            ("$['hyphen-key']", "4"),
            (r"$['\uD83D\uDCA5']", "5"),
            ("$.💥", "5"),
            ("$.a[0].b[0][0]", "6"),
            ("$ .a\n[ 0 ]\t['b'][0][0]", "6"),
            (r"$['a\/b']", "7"),
        ] {
            assert_eq!(found(path, JSON).as_deref(), Ok(expected), "{path}");
        }
        assert_eq!(found("$", r#" "text" "#).as_deref(), Ok("text"));
        assert_eq!(found("$", " [1, 2] ").as_deref(), Ok("[1, 2]"));
    }

    #[test]
    fn an_error_says_why_without_quoting_the_value() {
        for (json, path, expected) in [
            ("s3cr3t", "$.a", "needs JSON, but finds something else"),
            (r#"{"a": 1} s3cr3t"#, "$.a", "needs JSON, but finds something else"),
            (r#"{"a": [1, 2]}"#, "$.none", MATCHES_NOTHING),
            (r#"{"a": [1, 2]}"#, "$.a[2]", MATCHES_NOTHING),
            (r#"{"a": [1, 2]}"#, "$.a[-3]", MATCHES_NOTHING),
            (r#"{"a": [1, 2]}"#, "$.a[9007199254740991]", MATCHES_NOTHING),
            (r#"{"a": [1, 2]}"#, "$.a['0']", MATCHES_NOTHING),
            (r#"{"a": "s3cr3t"}"#, "$.a.b", MATCHES_NOTHING),
            (r#"{"0": 1}"#, "$[0]", MATCHES_NOTHING),
            (r#"{"a": {"x": 1, "x": 2}}"#, "$.a.x", "goes through an object that has the same field twice"),
            (r#"{"a": "\ud83d"}"#, "$.a", "finds a string that is not valid Unicode"),
            (r#"{"\ud83d": 1}"#, "$.a", "goes through a field name that is not valid Unicode"),
        ] {
            assert_eq!(found(path, json), Err(expected.to_owned()), "{path}");
        }
    }

    #[test]
    fn only_names_and_indices_are_allowed() {
        let nested = |depth: usize| format!("$[?{}@.a{} > 1]", "count(".repeat(depth), ")".repeat(depth));
        for (path, feature) in [
            ("$..*", "descendants"),
            ("$.a..b", "descendants"),
            ("$.*", "wildcard"),
            ("$.a*", "wildcard"),
            ("$.a[*]", "wildcard"),
            ("$[1:3]", "slice"),
            ("$[:3]", "slice"),
            ("$['a','b']", "several selectors"),
            ("$[0, 1]", "several selectors"),
            ("$.a.length()", "function"),
            ("$[count(@.a)]", "function"),
            ("$[?@.a == 'b']", "filter"),
            ("$[?search(@,'((a{99}){99}){9}')]", "filter"),
            (&nested(12), "filter"),
            (&nested(16), "filter"),
            (&nested(120), "filter"),
        ] {
            let error = parse(path).expect_err(path);
            assert!(error.contains(feature) && error.contains("only names and indices"), "{path}: {error}");
        }
    }

    #[test]
    fn a_name_that_needs_quotes_is_shown_in_quotes() {
        for (path, spelling) in [
            ("$.hyphen-key", "$['hyphen-key']"),
            ("$.a.hyphen-key[0].b", "$.a['hyphen-key'][0].b"),
            ("$.a[b]", "$.a.b"),
            ("$.1st", "$['1st']"),
            (r#"$["it's"].tls/crt['\n']"#, r"$['it\'s']['tls/crt']['\u000a']"),
        ] {
            assert_eq!(parse(path), Err(format!("needs quotes around a name: write {spelling}")), "{path}");
            assert!(parse(spelling).is_ok(), "{spelling}");
        }
    }

    #[test]
    fn malformed_paths_are_refused() {
        let long = format!("${}", ".a".repeat(MAX_SEGMENTS + 1));
        for (path, expected) in [
            ("", "begin with $"),
            ("user", "begin with $"),
            (" $.a", "begin with $"),
            ("$.", "ends too early"),
            ("$.a ", "ends too early"),
            ("$[", "ends too early"),
            ("$['a'", "ends too early"),
            ("$['a", "quote that does not end"),
            ("$. a", "unexpected ' ' at character 3"),
            ("$a", "unexpected 'a' at character 2"),
            ("$.a b", "unexpected 'b' at character 5"),
            ("$[]", "unexpected ']'"),
            ("$[01]", "invalid index 01"),
            ("$[-0]", "invalid index -0"),
            ("$[-]", "invalid index -"),
            ("$[9007199254740992]", "index beyond"),
            ("$[-9007199254740992]", "index beyond"),
            ("$[99999999999999999999]", "index beyond"),
            (r"$['\x']", "invalid escape"),
            (r#"$['\"']"#, "invalid escape"),
            (r"$['\u12']", "invalid escape"),
            (r"$['\ud83d']", "invalid escape"),
            (r"$['\udca5']", "invalid escape"),
            (r"$['\ud83d\u0041']", "invalid escape"),
            ("$['a\nb']", "control character"),
            (&long, "more than 64"),
        ] {
            let error = parse(path).expect_err(path);
            assert!(error.contains(expected), "{path}: {error}");
        }
        assert!(parse(&long[..long.len() - 2]).is_ok());
        assert!(parse("$[-9007199254740991]").is_ok());
    }

    #[test]
    fn deeply_nested_values_are_searched() {
        let json = format!("{}7{}", "[".repeat(4_000), "]".repeat(4_000));
        let path = format!("${}", "[0]".repeat(MAX_SEGMENTS));
        let expected = &json[MAX_SEGMENTS..json.len() - MAX_SEGMENTS];
        assert_eq!(found(&path, &json).as_deref(), Ok(expected));
    }
}
