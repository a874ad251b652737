//! Keys that are composed of others, by Jinja templates: strict about undefined names, with a closed list of pure filters
//! and bounds on work and size.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use minijinja::{Environment, Error, ErrorKind, Value};
use secrecy::SecretSlice;

use crate::api::Reason;
use crate::domain::{
    report::{fault::Fault, text::list},
    secret::{
        content::{Data, MAX_SECRET_BYTES},
        template_environment::{BoundedOutput, environment, filter_problem},
    },
    steps,
};

/// The statements that templates may use.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif"];
/// Name of the map of all keys.
const ALL_KEYS: &str = "data";

/// Templates by the key that each composes, compiled. Copies share them.
#[derive(Clone, Default)]
pub(crate) struct Templates {
    /// None if there are no templates.
    environment: Option<Arc<Environment<'static>>>,
}

impl Templates {
    /// Compiles templates, and checks that their filters exist.
    ///
    /// # Errors
    /// `TemplateError` with the first template that has a mistake, and its line.
    pub(crate) fn compile(templates: &BTreeMap<String, String>) -> Result<Self, Fault> {
        if templates.is_empty() {
            return Ok(Self::default());
        }
        let mut environment = environment();
        for (key, source) in templates {
            steps::count(source.len());
            let compiled = environment.add_template_owned(key.clone(), source.clone());
            compiled.map_err(|error| fault(key, &error, &[]))?;
            check_bounds(source).map_err(|problem| {
                let message = format!("spec.target.template.data[{key}] {problem}; correct the template.");
                Fault::new(Reason::TemplateError, message)
            })?;
        }
        Ok(Self { environment: Some(Arc::new(environment)) })
    }

    /// Reports whether nothing is composed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.environment.is_none()
    }

    /// Returns the keys that are composed, in order.
    pub(crate) fn keys(&self) -> BTreeSet<&str> {
        self.sources().map(|(key, _)| key).collect()
    }

    /// Renders the templates with the values of `data`.
    ///
    /// # Errors
    /// `TemplateError` with the template, its line, and the names that are undefined; never with anything of a value.
    pub(crate) fn render(&self, data: &Data<'_>) -> Result<BTreeMap<String, SecretSlice<u8>>, Fault> {
        let Some(environment) = &self.environment else { return Ok(BTreeMap::new()) };
        let variables = variables(data);
        let mut rendered = BTreeMap::new();
        for key in self.keys() {
            let template = environment.get_template(key).map_err(|error| fault(key, &error, &[]))?;
            let mut output = BoundedOutput::default();
            match template.render_captured_to(variables.clone(), &mut output) {
                Ok(captured) => {
                    let used = captured.state().fuel_levels().map_or(0, |(used, _)| used);
                    steps::count(usize::try_from(used).unwrap_or(usize::MAX));
                }
                Err(error) => {
                    let names: BTreeSet<_> = template.undeclared_variables(false).into_iter().collect();
                    let is_unknown = |name: &String| name != ALL_KEYS && !data.contains_key(name.as_str());
                    return Err(fault(key, &error, &names.into_iter().filter(is_unknown).collect::<Vec<_>>()));
                }
            }
            rendered.insert(key.to_owned(), output.into_bytes().into());
        }
        Ok(rendered)
    }

    fn sources(&self) -> impl Iterator<Item = (&str, String)> {
        let templates = self.environment.iter().flat_map(|environment| environment.templates());
        templates.map(|(key, template)| (key, template.source().to_owned()))
    }
}

impl PartialEq for Templates {
    fn eq(&self, other: &Self) -> bool {
        self.sources().collect::<BTreeMap<_, _>>() == other.sources().collect()
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.sources()).finish()
    }
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

/// Returns the variables of templates: each value by its key, and a map of all of them for keys that are not identifiers.
fn variables(data: &Data<'_>) -> Value {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from_bytes(bytes.to_vec()),
    };
    steps::count(data.len());
    let mut values: BTreeMap<_, _> =
        data.iter().map(|(key, content)| (key.as_ref().to_owned(), value(content.bytes()))).collect();
    let all = Value::from(values.clone());
    values.entry(ALL_KEYS.to_owned()).or_insert(all);
    Value::from(values)
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
            ("WRAPPED", "aGVs\r\nbG8=\r\n"),
            ("NUMBERS", r#"{"big": 123456789012345678901234567890, "dec": 1.10, "id": 12345678, "z": -0.0}"#),
        ]
        .map(|(key, value)| (key, value.to_owned().into()))
        .into();
        let mut data: Data<'_> =
            values.iter().map(|(key, value)| (Cow::Borrowed(*key), Content::Value(value))).collect();
        data.insert(Cow::Borrowed("BINARY"), Content::Bytes(vec![0xff, 0x00].into()));
        let templates = BTreeMap::from([("KEY".to_owned(), source.to_owned())]);
        let templates = Templates::compile(&templates).map_err(|fault| fault.message)?;
        let rendered = templates.render(&data).map_err(|fault| fault.message)?;
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
            ("{{ WRAPPED | b64decode }}", "hello"),
            ("{{ (JSON | fromjson).host }}", "db"),
            ("{{ (NUMBERS | fromjson).big }}", "123456789012345678901234567890"),
            ("{{ (NUMBERS | fromjson).dec ~ '!' }}", "1.10!"),
            ("{{ (NUMBERS | fromjson).id + 1 }}", "12345679"),
            ("{% if (NUMBERS | fromjson).z %}yes{% else %}no{% endif %}", "no"),
            (
                "{{ NUMBERS | fromjson | tojson }}",
                r#"{"big":123456789012345678901234567890,"dec":1.10,"id":12345678,"z":-0.0}"#,
            ),
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
            ("{{ (NUMBERS | fromjson).dec + 1 }}", &["does not support the type"]),
            ("{{ '{\"a\": 1, \"a\": 2}' | fromjson }}", &["same field twice"]),
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
