//! Keys that are composed of others: Jinja templates, strict about what is undefined, with a closed list of pure filters
//! and bounds on work and size.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, value::Serde};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{SecretSlice, zeroize::Zeroize};

use crate::api::Reason;
use crate::domain::{
    Fault,
    report::text::list,
    secret::content::{Data, MAX_SECRET_BYTES},
};

/// Steps that one template may take. The library charges for data as well, 64 bytes a step, so that neither loops nor
/// concatenation outgrow it; what our filters make is bounded by themselves.
const FUEL: u64 = 100_000;
/// Statements that there are.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif"];
/// Name of the map of all keys.
const ALL: &str = "data";
/// What may stand in any part of a URL (RFC 3986, unreserved characters).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Checks the syntax of templates, and that their filters exist.
///
/// # Errors
/// `TemplateError` with the first template that has a mistake, and its line.
pub fn check(templates: &BTreeMap<String, String>) -> Result<(), Fault> {
    let environment = environment();
    for (key, source) in templates {
        environment.template_from_str(source).map_err(|error| fault(key, &error, &[]))?;
        bounded(source).map_err(|problem| {
            let message = format!("spec.target.template.data[{key}] {problem}; correct the template.");
            Fault::new(Reason::TemplateError, message)
        })?;
    }
    Ok(())
}

/// Refuses what makes lists of lists that share their items: comparing two of them takes for ever, and no step counts it.
/// Every statement begins with `{%`, so none that binds a name is missed; a `*` repeats.
fn bounded(source: &str) -> Result<(), String> {
    for statement in source.split("{%").skip(1) {
        let statement = statement.trim_start_matches(['-', '+']).trim_start();
        let word = statement.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if !STATEMENTS.contains(&word) {
            return Err(format!("has a statement {word}, and only {} are there", STATEMENTS.join(", ")));
        }
    }
    for code in source.split("{{").skip(1).chain(source.split("{%").skip(1)) {
        // To the last end before the next beginning: an end within quotes is none.
        let code = code.split("{{").next().unwrap_or_default();
        let end = code.rfind("}}").max(code.rfind("%}")).unwrap_or(code.len());
        if code[..end].contains('*') {
            return Err("has a * within braces, and nothing can be repeated".to_owned());
        }
    }
    Ok(())
}

/// Renders templates with the values of `data`.
///
/// # Errors
/// `TemplateError` with the template, its line, and the names that are undefined; never with anything of a value.
pub fn render(
    templates: &BTreeMap<String, String>,
    data: &Data<'_>,
) -> Result<BTreeMap<String, SecretSlice<u8>>, Fault> {
    let environment = environment();
    let values = values(data);
    let mut rendered = BTreeMap::new();
    for (key, source) in templates {
        let template = environment.template_from_str(source).map_err(|error| fault(key, &error, &[]))?;
        let mut output = Output::default();
        if let Err(error) = template.render_captured_to(Value::from(values.clone()), &mut output) {
            let names: BTreeSet<_> = template.undeclared_variables(false).into_iter().collect();
            let unknown: Vec<_> = names.into_iter().filter(|name| !values.contains_key(name)).collect();
            return Err(fault(key, &error, &unknown));
        }
        rendered.insert(key.clone(), std::mem::take(&mut output.0).into());
    }
    Ok(rendered)
}

/// Nothing but what is listed here: templates reach nothing outside.
fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("b64encode", |value: Value| b64encode(&value));
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("urlencode", |text: &str| limited(utf8_percent_encode(text, UNRESERVED).to_string()));
    environment.add_filter("tojson", |value: Value| tojson(&value));
    environment.add_filter("fromjson", fromjson);
    environment.add_filter("quote", |text: &str| tojson(&Value::from(text)));
    environment.add_filter("indent", indent);
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment
}

/// The values as templates see them: by name, and all of them in a map, for names that are no identifiers.
fn values(data: &Data<'_>) -> BTreeMap<String, Value> {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from_bytes(bytes.to_vec()),
    };
    let mut values: BTreeMap<_, _> =
        data.iter().map(|(key, content)| (key.as_ref().to_owned(), value(content.bytes()))).collect();
    let all = Value::from(values.clone());
    values.entry(ALL.to_owned()).or_insert(all);
    values
}

/// Filters may follow each other: none gives more than a Secret may hold.
fn limited(text: String) -> Result<String, Error> {
    if text.len() > MAX_SECRET_BYTES { Err(wrong(TOO_LARGE)) } else { Ok(text) }
}

fn b64encode(value: &Value) -> Result<String, Error> {
    let bytes = value.as_bytes().or_else(|| value.as_str().map(str::as_bytes));
    limited(BASE64.encode(bytes.ok_or_else(|| wrong(NO_BYTES))?))
}

fn tojson(value: &Value) -> Result<String, Error> {
    let mut output = Output::default();
    serde_json::to_writer(&mut output, value).map_err(|_| wrong(TOO_LARGE))?;
    String::from_utf8(std::mem::take(&mut output.0)).map_err(|_| wrong(TOO_LARGE))
}

fn b64decode(text: &str) -> Result<Value, Error> {
    let bytes = BASE64.decode(text.trim()).map_err(|_| wrong("b64decode was given what is no base64"))?;
    Ok(String::from_utf8(bytes).map_or_else(|error| Value::from_bytes(error.into_bytes()), Value::from))
}

fn fromjson(text: &str) -> Result<Value, Error> {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|_| wrong("fromjson was given what is no JSON"))?;
    Ok(Value::from(Serde(&json)))
}

/// All lines but the first by so many blanks.
fn indent(text: &str, width: usize) -> Result<String, Error> {
    if width > 100 {
        return Err(wrong("indent goes no further than 100"));
    }
    if text.len() + text.matches('\n').count() * width > MAX_SECRET_BYTES {
        return Err(wrong(TOO_LARGE));
    }
    let mut lines = text.split('\n');
    let mut indented = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        indented.push('\n');
        if !line.is_empty() {
            indented.push_str(&" ".repeat(width));
        }
        indented.push_str(line);
    }
    Ok(indented)
}

fn wrong(problem: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem)
}

/// Says where a mistake is, and of which kind. What the library says in detail may quote values, so it is passed on only
/// for mistakes of the template itself.
fn fault(key: &str, error: &Error, unknown: &[String]) -> Fault {
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let problem = match error.kind() {
        ErrorKind::SyntaxError => format!("has a mistake ({})", error.detail().unwrap_or("syntax")),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
            format!("uses what there is not ({})", error.detail().unwrap_or("a filter"))
        }
        ErrorKind::UndefinedError if unknown.is_empty() => "uses what is undefined there".to_owned(),
        ErrorKind::UndefinedError => format!("uses {}, which is no key of this Secret", list(unknown)),
        ErrorKind::OutOfFuel => "takes too many steps".to_owned(),
        ErrorKind::WriteFailure => format!("renders more than the {MAX_SECRET_BYTES} bytes that a Secret may have"),
        _ if OWN.contains(&error.detail().unwrap_or_default()) => {
            format!("fails: {}", error.detail().unwrap_or_default())
        }
        _ => "fails: an operation or filter does not go with a value's type".to_owned(),
    };
    let message = format!("spec.target.template.data[{key}]{line} {problem}; correct the template.");
    Fault::new(Reason::TemplateError, message)
}

/// What our own filters say, which holds nothing of a value.
const OWN: &[&str] = &[
    TOO_LARGE,
    NO_BYTES,
    "b64decode was given what is no base64",
    "fromjson was given what is no JSON",
    "indent goes no further than 100",
];
const TOO_LARGE: &str = "a filter would give more than a Secret may hold";
const NO_BYTES: &str = "b64encode takes texts and bytes only";

/// What a template renders, up to the size of a Secret. Wiped when dropped.
#[derive(Default)]
struct Output(Vec<u8>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_SECRET_BYTES {
            return Err(io::Error::other("too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use secrecy::{ExposeSecret, SecretString};

    use super::*;
    use crate::domain::secret::content::Content;

    fn rendered(source: &str) -> Result<String, String> {
        let values: Vec<(&str, SecretString)> = [
            ("PASSWORD", "p@ss/word é"),
            ("db.user", "app"),
            ("JSON", r#"{"host": "db", "ports": [1, 2]}"#),
            ("LINES", "one\ntwo\n\nthree"),
            ("B64", "aGk="),
        ]
        .map(|(key, value)| (key, value.to_owned().into()))
        .into();
        let mut data: Data<'_> =
            values.iter().map(|(key, value)| (Cow::Borrowed(*key), Content::Value(value))).collect();
        data.insert(Cow::Borrowed("BINARY"), Content::Bytes(vec![0xff, 0x00].into()));
        let templates = BTreeMap::from([("KEY".to_owned(), source.to_owned())]);
        check(&templates).map_err(|fault| fault.message)?;
        let rendered = render(&templates, &data).map_err(|fault| fault.message)?;
        Ok(String::from_utf8_lossy(rendered["KEY"].expose_secret()).into_owned())
    }

    #[test]
    fn templates_compose() {
        for (source, expected) in [
            ("postgres://app:{{ PASSWORD | urlencode }}@db", "postgres://app:p%40ss%2Fword%20%C3%A9@db"),
            (r#"{{ data["db.user"] }}"#, "app"),
            ("{{ PASSWORD | b64encode }}", "cEBzcy93b3JkIMOp"),
            ("{{ B64 | b64decode }}", "hi"),
            ("{{ BINARY | b64encode }}", "/wA="),
            ("{{ (JSON | fromjson).host }}", "db"),
            ("{{ (JSON | fromjson).ports[1] }}", "2"),
            ("{{ (JSON | fromjson).ports[1] }}", "2"),
            ("* {{ B64 }} * {{ B64 }} *", "* aGk= * aGk= *"),
            ("{{ (JSON | fromjson).ports | tojson }}", "[1,2]"),
            ("{{ PASSWORD | quote }}", "\"p@ss/word é\""),
            ("a: |\n  {{ LINES | indent(2) }}", "a: |\n  one\n  two\n\n  three"),
            ("{% if NONE is defined %}{{ NONE }}{% else %}none{% endif %}", "none"),
            ("<b>{{ 'a' ~ 1 }}</b>", "<b>a1</b>"),
        ] {
            assert_eq!(rendered(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn mistakes_are_told_by_line_and_name() {
        for (source, parts) in [
            ("a\n{{ PASSWORD ", &["data[KEY]", "line 2", "mistake"][..]),
            ("a\n\n{{ NONE }}", &["line 3", "uses NONE", "no key"]),
            ("{{ data.none }}", &["undefined"]),
            ("{{ PASSWORD | sha256 }}", &["sha256"]),
            ("{{ lower(PASSWORD) }}", &["lower"]),
            ("{{ PASSWORD | fromjson }}", &["no JSON"]),
            ("{{ PASSWORD | b64decode }}", &["no base64"]),
            ("{{ PASSWORD + 1 }}", &["does not go with"]),
            ("{% include 'x' %}", &["mistake"]),
            ("{% for a in [1] %}{% endfor %}", &["statement for", "if, elif, else, endif"]),
            ("{%- set a = 1 %}", &["statement set"]),
            ("{{ ['a'] * 9 }}", &["* within braces"]),
            ("{{ '}}' ~ 'a' * 9 }}", &["* within braces"]),
            ("{{ [1] | b64encode }}", &["texts and bytes"]),
        ] {
            let message = rendered(source).expect_err(source);
            for part in parts {
                assert!(message.contains(part), "{source}: {message} lacks {part}");
            }
            assert!(!message.contains("p@ss"), "{message}");
        }
    }

    /// A tenant's template must not cost others their operator, however it is written.
    #[test]
    fn work_and_size_are_bounded() {
        let filters = |filter: &str| format!("{{{{ PASSWORD{} }}}}", format!(" | {filter}").repeat(200));
        for template in [
            filters("b64encode"),
            filters("quote"),
            filters("tojson"),
            "{{ LINES | indent(100) }}".repeat(20_000),
            "{{ [[1]] | b64encode }}".to_owned(),
        ] {
            let message = rendered(&template).map(|text| text.len()).expect_err(&template[..20]);
            let words = ["too many steps", "more than", "texts and bytes"];
            assert!(words.iter().any(|word| message.contains(word)), "{}: {message}", &template[..20]);
        }
    }
}
