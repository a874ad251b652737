//! The whole template.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    migrate::template::{
        expression::{Scope, pipeline},
        lexer::{Part, Token, split},
    },
    secret::template::Templates,
};

/// Translates a template of Go. `keys` are those that the spec names. Returns what the translation takes for granted, too.
///
/// # Errors
/// What has no equivalent, as a sentence without a full stop.
pub(in crate::domain::migrate) fn translate(
    template: &str,
    keys: &BTreeSet<String>,
) -> Result<(String, BTreeSet<&'static str>), String> {
    let mut conditions = BTreeSet::new();
    let mut scope = Scope { keys, conditions: &mut conditions };
    let (mut written, mut depth) = (String::new(), 0_usize);
    let parts = split(template)?;
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => push_text(&mut written, text, index + 1 < parts.len()),
            Part::Action(tokens) => push_action(&mut written, tokens, &mut depth, &mut scope)?,
        }
    }
    if depth > 0 {
        return Err("if has no end".to_owned());
    }
    // minijinja takes one line break away from the end.
    if written.ends_with(['\n', '\r']) {
        written.push('\n');
    }
    Templates::compile(&BTreeMap::from([("x".to_owned(), written.clone())]))
        .map_err(|fault| fault.message.trim_end_matches("; correct the template.").to_owned())?;
    Ok((written, conditions))
}

/// Appends text. A brace that would begin something is written as a value.
fn push_text(written: &mut String, text: &str, is_followed: bool) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek();
        let begins = next.map_or(is_followed, |next| matches!(next, '{' | '%' | '#'));
        if character == '{' && begins {
            written.push_str("{{ \"{\" }}");
        } else {
            written.push(character);
        }
    }
}

fn push_action(written: &mut String, tokens: &[Token], depth: &mut usize, scope: &mut Scope<'_>) -> Result<(), String> {
    let word = |index: usize| match tokens.get(index) {
        Some(Token::Word(word)) => word.as_str(),
        _ => "",
    };
    match (word(0), word(1)) {
        ("if", _) => {
            *depth += 1;
            written.extend(["{% if ", &pipeline(&tokens[1..], scope)?.grouped()?, " %}"]);
        }
        ("else", "if") if *depth > 0 => {
            written.extend(["{% elif ", &pipeline(&tokens[2..], scope)?.grouped()?, " %}"]);
        }
        ("else", _) if *depth > 0 && tokens.len() == 1 => written.push_str("{% else %}"),
        ("end", _) if *depth > 0 && tokens.len() == 1 => {
            *depth -= 1;
            written.push_str("{% endif %}");
        }
        (word @ ("range" | "with" | "define" | "block" | "template" | "end" | "else" | "break" | "continue"), _) => {
            return Err(format!("the statement {word} has no equivalent"));
        }
        _ if tokens.is_empty() => {}
        _ => {
            let value = pipeline(tokens, scope)?;
            written.extend([&value.before, "{{ ", &value.text, " }}"]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use secrecy::{ExposeSecret, SecretString};

    use super::*;
    use crate::domain::secret::content::{Content, Data};

    /// Renders a translated template with some values.
    fn rendered(template: &str) -> Result<String, String> {
        let values: Vec<(&str, SecretString)> = [
            ("user", "app"),
            ("password", "p@ss \"w\""),
            ("db-host", "db.local"),
            ("json", r#"{"host": "db", "a-b": {"c": "deep"}}"#),
            ("b64", "aGk="),
            ("lines", "one\ntwo"),
            ("empty", ""),
            ("not", "no"),
        ]
        .map(|(key, value)| (key, value.to_owned().into()))
        .into();
        let data: Data<'_> = values.iter().map(|(key, value)| (Cow::Borrowed(*key), Content::Value(value))).collect();
        let keys = values.iter().map(|(key, _)| (*key).to_owned()).collect();
        let (translated, _) = translate(template, &keys)?;
        let templates =
            Templates::compile(&BTreeMap::from([("KEY".to_owned(), translated)])).map_err(|fault| fault.message)?;
        let rendered = templates.render(&data).map_err(|fault| fault.message)?;
        Ok(String::from_utf8_lossy(rendered["KEY"].expose_secret()).into_owned())
    }

    /// What text/template of Go writes with these values and the functions of ESO.
    #[test]
    fn templates_render_what_go_renders() {
        for (template, expected) in [
            ("plain", "plain"),
            ("{{ .user }}", "app"),
            ("{{.user}}:{{.password}}", "app:p@ss \"w\""),
            ("{{ $.user }}", "app"),
            (r#"{{ index . "db-host" }}"#, "db.local"),
            ("{{ .not }}", "no"),
            ("{{ .user | b64enc }}", "YXBw"),
            ("{{ b64enc .user }}", "YXBw"),
            ("{{ .b64 | b64dec | b64enc }}", "aGk="),
            (r#"{{ printf "%s:%s" .user .password | b64enc }}"#, "YXBwOnBAc3MgInci"),
            (r#"{{ (printf "%s-%v%%" .user "x") }}"#, "app-x%"),
            ("{{ print .user \"/\" .user }}", "app/app"),
            ("{{ .password | toRawJson }}", r#""p@ss \"w\"""#),
            ("{{ .password | quote }}", r#""p@ss \"w\"""#),
            ("{{ .user | toString | urlquery }}", "app"),
            ("{{ (.json | fromJson).host }}", "db"),
            ("{{ (fromJson .json).host | b64enc }}", "ZGI="),
            ("a:\n{{ .lines | indent 2 }}\nb", "a:\n  one\n  two\nb"),
            ("a:{{ .lines | nindent 2 }}", "a:\n  one\n  two"),
            ("a  {{- /* a comment */ -}}  b", "ab"),
            ("a \n {{- .user -}} \n b", "aappb"),
            ("line\n", "line\n"),
            ("{{ .user }}\n", "app\n"),
            ("lines\n\n", "lines\n\n"),
            (r#"{"auths":{"x":{"auth":"{{ .user }}"}}}"#, r#"{"auths":{"x":{"auth":"app"}}}"#),
            ("{% raw %} {# no #} {{ .user }}", "{% raw %} {# no #} app"),
            ("{ {{- .user }}", "{app"),
            ("{{ `raw \\n` }}", "raw \\n"),
            (r#"{{ "a\"b\n" }}"#, "a\"b\n"),
            ("{{ if .empty }}yes{{ else }}no{{ end }}", "no"),
            (r#"{{ if eq .user "app" }}yes{{ else if .user }}maybe{{ end }}"#, "yes"),
            (r#"{{- if and .user (ne .user "x") (not .empty) }} ok {{- end }}"#, " ok"),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_has_no_equivalent_is_refused() {
        for template in [
            "{{ .user | upper }}",
            "{{ range .list }}{{ . }}{{ end }}",
            "{{ with .user }}x{{ end }}",
            "{{ $x := .user }}{{ $x }}",
            "{{ .user | toJson }}",
            "{{ .user.name }}",
            "{{ . }}",
            "{{ .user",
            "{{ if .user }}",
            "{{ end }}",
            "{{ .b64 | pkcs12cert }}",
            "{{ printf \"%d\" .user }}",
            "{{ \"*\" }}",
            "{{ .user | indent 2 | b64enc }}",
            "{{ (.user }}",
            "{{ .user) }}",
            "{{ .user .password }}",
        ] {
            assert!(rendered(template).is_err(), "{template}: {:?}", rendered(template));
        }
        assert!(rendered(&format!("{{{{ {}.user{} }}}}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
    }
}
