//! The translation as YAML to apply, or as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    api::names::ALLOW_ANNOTATION,
    domain::migrate::{
        note::{Effect, Note},
        translation::{Consent, Translated},
    },
};

/// Characters that end a line of YAML.
const LINE_BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// Returns YAML: what is complete as objects, and everything else as comments.
///
/// # Errors
/// One sentence, if an object has no YAML form.
pub(super) fn text(translated: &[Translated]) -> Result<String, String> {
    let mut text = heading(translated);
    for Translated { source, complete, object, notes, .. } in translated {
        text.push_str("---\n");
        let kind = match (complete, object) {
            (true, _) => "",
            (false, None) => " has no equivalent",
            (false, Some(_)) => " has no equivalent; what follows is a draft",
        };
        comment(&mut text, &format!("{source}{kind}"));
        for Note { effect, field, text: sentence } in notes {
            let what = match effect {
                Effect::NotTranslated => "Not translated",
                Effect::Dropped => "Left out",
                Effect::Check => "Check",
            };
            let field = if field.is_empty() { String::new() } else { format!(", {field}") };
            comment(&mut text, &format!("{what}{field}: {sentence}."));
        }
        let Some(object) = object else { continue };
        let yaml = serde_yaml::to_string(object).map_err(|error| format!("Cannot print {source} as YAML: {error}."))?;
        if *complete {
            text.push_str(&yaml);
        } else {
            yaml.trim_end().split(LINE_BREAKS).for_each(|line| comment(&mut text, line));
        }
    }
    let consents: Vec<_> = translated.iter().filter_map(|translated| translated.consent.as_ref()).collect();
    if !consents.is_empty() {
        text.push_str("---\n");
        comment(&mut text, "Secrets that exist are handed over by these commands:");
        for consent in consents {
            comment(&mut text, &command(consent));
        }
    }
    Ok(text)
}

fn heading(translated: &[Translated]) -> String {
    let complete = translated.iter().filter(|translated| translated.complete).count();
    let mut text = String::new();
    comment(
        &mut text,
        &format!("{complete} of {} objects have an equivalent, which is printed here to be applied.", translated.len()),
    );
    if complete < translated.len() {
        comment(
            &mut text,
            "The others stand in comments, with the reason. Leave them with External Secrets Operator, or correct them.",
        );
    }
    text
}

/// Writes a line of comment. Whatever would end the line is written as a blank.
fn comment(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# {}", line.replace(LINE_BREAKS, " ").trim_end());
}

/// The command by which a Secret consents. Names of objects need no quotes.
fn command(consent: &Consent) -> String {
    let Consent { namespace, secret, allow } = consent;
    format!("kubectl --namespace {namespace} annotate secret {secret} {ALLOW_ANNOTATION}={allow}")
}

/// The output for scripts.
#[derive(Serialize)]
struct Printed<'a> {
    translations: &'a [Translated],
    commands: Vec<String>,
}

/// Returns the translation as one JSON object.
///
/// # Errors
/// One sentence, if it has no JSON form.
pub(super) fn json(translated: &[Translated]) -> Result<String, String> {
    let commands = translated.iter().filter_map(|translated| translated.consent.as_ref()).map(command).collect();
    let printed = serde_json::to_string_pretty(&Printed { translations: translated, commands });
    printed.map(|json| json + "\n").map_err(|error| format!("Cannot print the translation as JSON: {error}."))
}
