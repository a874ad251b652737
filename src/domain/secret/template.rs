//! Keys that are composed of others, by Jinja templates: strict about undefined names, with a closed list of pure filters
//! and bounds on work and size.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Error, ErrorKind, Value};
use secrecy::SecretSlice;

use crate::api::Reason;
use crate::domain::{
    report::{fault::Fault, text::list},
    secret::{
        content::{Data, MAX_SECRET_BYTES},
        template_environment::{BoundedOutput, environment, filter_problem},
    },
};

/// The statements that templates may use.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif"];
/// Name of the map of all keys.
const ALL_KEYS: &str = "data";

/// Checks the syntax of templates, and that their filters exist.
///
/// # Errors
/// `TemplateError` with the first template that has a mistake, and its line.
pub(crate) fn check(templates: &BTreeMap<String, String>) -> Result<(), Fault> {
    let environment = environment();
    for (key, source) in templates {
        environment.template_from_str(source).map_err(|error| fault(key, &error, &[]))?;
        check_bounds(source).map_err(|problem| {
            let message = format!("spec.target.template.data[{key}] {problem}; correct the template.");
            Fault::new(Reason::TemplateError, message)
        })?;
    }
    Ok(())
}

/// Refuses statements that bind names, and repetition by `*`: with them a template could build nested lists that share
/// their items, and comparing two of those takes exponential time, which fuel does not measure. The search is by text and
/// may refuse more than it has to: every statement begins with `{%`.
fn check_bounds(source: &str) -> Result<(), String> {
    for statement in source.split("{%").skip(1) {
        let statement = statement.trim_start_matches(['-', '+']).trim_start();
        let word = statement.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if !STATEMENTS.contains(&word) {
            return Err(format!("uses the statement {word}, but only {} are allowed", STATEMENTS.join(", ")));
        }
    }
    for code in source.split("{{").skip(1).chain(source.split("{%").skip(1)) {
        // Up to the last end before the next beginning, since an end within quotes does not count.
        let code = code.split("{{").next().unwrap_or_default();
        let end = code.rfind("}}").max(code.rfind("%}")).unwrap_or(code.len());
        if code[..end].contains('*') {
            return Err("uses * within braces, which is not allowed".to_owned());
        }
    }
    Ok(())
}

/// Renders templates with the values of `data`.
///
/// # Errors
/// `TemplateError` with the template, its line, and the names that are undefined; never with anything of a value.
pub(crate) fn render(
    templates: &BTreeMap<String, String>,
    data: &Data<'_>,
) -> Result<BTreeMap<String, SecretSlice<u8>>, Fault> {
    let environment = environment();
    let values = variables(data);
    let mut rendered = BTreeMap::new();
    for (key, source) in templates {
        let template = environment.template_from_str(source).map_err(|error| fault(key, &error, &[]))?;
        let mut output = BoundedOutput::default();
        if let Err(error) = template.render_captured_to(Value::from(values.clone()), &mut output) {
            let names: BTreeSet<_> = template.undeclared_variables(false).into_iter().collect();
            let unknown: Vec<_> = names.into_iter().filter(|name| !values.contains_key(name)).collect();
            return Err(fault(key, &error, &unknown));
        }
        rendered.insert(key.clone(), output.into_bytes().into());
    }
    Ok(rendered)
}

/// Returns the variables of templates: each value by its key, and a map of all of them for keys that are not identifiers.
fn variables(data: &Data<'_>) -> BTreeMap<String, Value> {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from_bytes(bytes.to_vec()),
    };
    let mut values: BTreeMap<_, _> =
        data.iter().map(|(key, content)| (key.as_ref().to_owned(), value(content.bytes()))).collect();
    let all = Value::from(values.clone());
    values.entry(ALL_KEYS.to_owned()).or_insert(all);
    values
}

/// Says which mistake is in which line. The library's own words may quote values, so they are passed on only for mistakes
/// in the text of the template.
fn fault(key: &str, error: &Error, unknown: &[String]) -> Fault {
    let line = error.line().map(|line| format!(", line {line},")).unwrap_or_default();
    let named = |what: &str| error.detail().map_or_else(|| what.to_owned(), |name| format!("{what} ({name})"));
    let problem = match error.kind() {
        ErrorKind::SyntaxError => format!("has {}", named("a syntax error")),
        ErrorKind::UnknownFilter => format!("uses {}", named("an unknown filter")),
        ErrorKind::UnknownTest => format!("uses {}", named("an unknown test")),
        ErrorKind::UnknownFunction => format!("calls {}", named("an unknown function")),
        ErrorKind::UnknownMethod => format!("calls {}", named("an unknown method")),
        ErrorKind::UndefinedError if unknown.is_empty() => "uses an undefined value".to_owned(),
        ErrorKind::UndefinedError => format!("uses {}, which is not a key of this Secret", list(unknown)),
        ErrorKind::OutOfFuel => "takes too many steps".to_owned(),
        ErrorKind::WriteFailure => format!("renders more than {MAX_SECRET_BYTES} bytes, the limit of a Secret"),
        _ => match filter_problem(error) {
            Some(problem) => format!("fails: {problem}"),
            None => "fails: an operation or filter does not support the type of a value".to_owned(),
        },
    };
    let message = format!("spec.target.template.data[{key}]{line} {problem}; correct the template.");
    Fault::new(Reason::TemplateError, message)
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
    fn templates_compose_values() {
        for (source, expected) in [
            ("postgres://app:{{ PASSWORD | urlencode }}@db", "postgres://app:p%40ss%2Fword%20%C3%A9@db"),
            (r#"{{ data["db.user"] }}"#, "app"),
            ("{{ PASSWORD | b64encode }}", "cEBzcy93b3JkIMOp"),
            ("{{ B64 | b64decode }}", "hi"),
            ("{{ BINARY | b64encode }}", "/wA="),
            ("{{ (JSON | fromjson).host }}", "db"),
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
    fn an_error_names_the_line_and_the_mistake() {
        for (source, parts) in [
            ("a\n{{ PASSWORD ", &["data[KEY]", "line 2", "syntax error"][..]),
            ("a\n\n{{ NONE }}", &["line 3", "uses NONE", "not a key"]),
            ("{{ data.none }}", &["undefined"]),
            ("{{ PASSWORD | sha256 }}", &["unknown filter", "sha256"]),
            ("{{ lower(PASSWORD) }}", &["unknown function", "lower"]),
            ("{{ PASSWORD | fromjson }}", &["not JSON"]),
            ("{{ PASSWORD | b64decode }}", &["not base64"]),
            ("{{ PASSWORD + 1 }}", &["does not support the type"]),
            ("{% include 'x' %}", &["syntax error"]),
            ("{% for a in [1] %}{% endfor %}", &["statement for", "if, elif, else, endif"]),
            ("{%- set a = 1 %}", &["statement set"]),
            ("{{ ['a'] * 9 }}", &["* within braces"]),
            ("{{ '}}' ~ 'a' * 9 }}", &["* within braces"]),
            ("{{ [1] | b64encode }}", &["text or bytes"]),
        ] {
            let message = rendered(source).expect_err(source);
            for part in parts {
                assert!(message.contains(part), "{source}: {message} lacks {part}");
            }
            assert!(!message.contains("p@ss"), "{message}");
        }
    }

    /// However it is written, a tenant's template must not keep the operator busy.
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
            let words = ["too many steps", "larger than", "more than", "text or bytes"];
            assert!(words.iter().any(|word| message.contains(word)), "{}: {message}", &template[..20]);
        }
    }
}
