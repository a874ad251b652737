//! The reference of all fields, made from the schemas, so that it cannot lag behind them.

use std::fmt::Write;

use serde_json::Value;

use crate::api::{Reason, crds};

/// What stands above the tables.
const INTRODUCTION: &str = "# Reference

Every field of `spec` of the three kinds: what it is, what counts where it is left out, and what it may hold.
What the API server refuses, `kubectl apply` tells at once; what only shows later stands in the condition `Ready`, of the
object or of its store, with one of the [reasons](reasons.md) given here.

Made from the schemas by `cargo run --quiet -- crds --reference > docs/reference.md`.
";

/// What tells that a value is wrong which the schema lets pass.
const JUDGED: &[(&str, &[Reason])] = {
    use Reason as R;
    const READ: &[Reason] =
        &[R::InvalidSpec, R::PolicyDenied, R::ParameterNotFound, R::AccessDenied, R::DecryptDenied, R::KeyUnavailable];
    const STORE: &[Reason] = &[R::StoreNotFound, R::StoreNotReady];
    const KEYS: &[Reason] = &[R::InvalidSpec, R::KeyCollision, R::ValueError];
    const BY_HAND: &[Reason] = &[R::PolicyDenied, R::CiphertextInvalid, R::DecryptDenied, R::KeyUnavailable];
    const SECRET: &[Reason] = &[R::SecretConflict, R::SecretContested, R::SecretWriteFailed];
    const RESTART: &[Reason] = &[R::RestartPending, R::RestartFailed];
    const CREDENTIALS: &[Reason] = &[R::StoreNotReady, R::CredentialsInvalid];
    &[
        ("spec.storeRef", STORE),
        ("spec.storeRef.kind", STORE),
        ("spec.storeRef.name", STORE),
        ("spec.data", &[R::KeyCollision, R::SecretTooLarge]),
        ("spec.data[].key", &[R::KeyCollision]),
        ("spec.data[].parameter", READ),
        ("spec.data[].version", &[R::VersionNotFound]),
        ("spec.data[].label", &[R::VersionNotFound]),
        ("spec.data[].previous", &[R::VersionNotFound]),
        ("spec.data[].kmsDecrypt", BY_HAND),
        ("spec.data[].kmsDecrypt.keyId", BY_HAND),
        ("spec.data[].kmsDecrypt.encryptionContext", &[R::CiphertextInvalid, R::DecryptDenied]),
        ("spec.data[].jsonPath", &[R::InvalidSpec, R::ValueError]),
        ("spec.data[].decode", &[R::ValueError]),
        ("spec.dataFrom", &[R::KeyCollision, R::SecretTooLarge]),
        (
            "spec.dataFrom[].path.prefix",
            &[
                R::InvalidSpec,
                R::KeyCollision,
                R::PathEmpty,
                R::PolicyDenied,
                R::AccessDenied,
                R::DecryptDenied,
                R::KeyUnavailable,
            ],
        ),
        ("spec.dataFrom[].path.recursive", &[R::PathEmpty, R::PolicyDenied]),
        ("spec.dataFrom[].path.include", &[R::InvalidSpec, R::PathEmpty]),
        ("spec.dataFrom[].path.exclude", &[R::InvalidSpec, R::PathEmpty]),
        ("spec.dataFrom[].path.label", &[R::PathEmpty]),
        ("spec.dataFrom[].parameter.name", READ),
        ("spec.dataFrom[].parameter.version", &[R::VersionNotFound]),
        ("spec.dataFrom[].parameter.label", &[R::VersionNotFound]),
        ("spec.dataFrom[].parameter.format", &[R::ValueError]),
        ("spec.dataFrom[].keys", KEYS),
        ("spec.dataFrom[].keys.format", KEYS),
        ("spec.dataFrom[].keys.prefix", KEYS),
        ("spec.target.name", SECRET),
        ("spec.target.type", &[R::InvalidSpec, R::ValueError]),
        ("spec.target.labels", &[R::InvalidSpec]),
        ("spec.target.annotations", &[R::InvalidSpec]),
        ("spec.target.template.data", &[R::TemplateError, R::KeyCollision, R::SecretTooLarge]),
        ("spec.target.template.only", &[R::InvalidSpec]),
        ("spec.target.creationPolicy", SECRET),
        ("spec.restart", RESTART),
        ("spec.restart[].kind", RESTART),
        ("spec.restart[].name", RESTART),
        ("spec.restart[].selector", RESTART),
        ("spec.region", &[R::StoreNotReady, R::EndpointUnreachable]),
        ("spec.identity.credentialsSecretRef", CREDENTIALS),
        ("spec.identity.credentialsSecretRef.namespace", CREDENTIALS),
        ("spec.identity.credentialsSecretRef.name", CREDENTIALS),
        ("spec.decryption", &[R::DecryptDenied]),
        ("spec.access", &[R::PolicyDenied]),
        ("spec.access[].namespaces", &[R::PolicyDenied]),
        ("spec.access[].namespaces.names", &[R::PolicyDenied]),
        ("spec.access[].namespaces.selector", &[R::PolicyDenied]),
        ("spec.access[].parameters", &[R::InvalidSpec, R::PolicyDenied]),
        ("spec.access[].kmsDecryptKeys", &[R::InvalidSpec, R::PolicyDenied]),
        ("spec.quota.requestsPerSecond", &[R::Throttled]),
    ]
};

/// The page, in Markdown: a table per kind.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (_, manifest) in crds() {
        let kind = text(&manifest["spec"]["names"]["kind"]);
        let schema = &manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        // Writing to a text cannot fail.
        let _ = write!(page, "\n## {kind}\n\n| Field | Type | Default | Rule | Fails with |\n");
        page.push_str("| --- | --- | --- | --- | --- |\n");
        for field in fields("spec", schema, true) {
            let cells =
                [type_of(field.schema), default(&field), rules(field.schema).join("; "), fails_with(&field.path)];
            let cells = cells.map(|cell| cell.replace('|', r"\|"));
            let _ = writeln!(page, "| `{}` | {} |", field.path, cells.join(" | "));
        }
    }
    page
}

/// A field of a kind.
struct Field<'a> {
    /// As users write it, with `[]` for what is in a list.
    path: String,
    schema: &'a Value,
    is_required: bool,
}

/// A field and all within it.
fn fields<'a>(path: &str, schema: &'a Value, is_required: bool) -> Vec<Field<'a>> {
    let mut found = vec![Field { path: path.to_owned(), schema, is_required }];
    let (inner, path) = schema.get("items").map_or((schema, path.to_owned()), |items| (items, format!("{path}[]")));
    for (name, property) in inner["properties"].as_object().into_iter().flatten() {
        let is_required = list(&inner["required"]).any(|required| text(required) == name);
        found.extend(fields(&format!("{path}.{name}"), property, is_required));
    }
    found
}

fn type_of(schema: &Value) -> String {
    match (text(&schema["type"]), &schema["items"], &schema["additionalProperties"]) {
        _ if schema.get("enum").is_some() => "enum".to_owned(),
        ("array", items, _) => format!("list of {}s", type_of(items)),
        ("object", _, values @ Value::Object(_)) => format!("map of {}s", type_of(values)),
        (other, _, _) => other.to_owned(),
    }
}

/// What the description says after "Default:".
fn default(field: &Field<'_>) -> String {
    if field.is_required {
        return "required".to_owned();
    }
    let description = text(&field.schema["description"]).replace('\n', " ");
    let sentence = description.split_once("Default: ").map_or("", |(_, rest)| rest);
    sentence.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// What the schema asks of a value, and of each within it.
fn rules(schema: &Value) -> Vec<String> {
    let mut rules = own_rules(schema);
    for (inner, name) in [("items", "each entry"), ("additionalProperties", "each value")] {
        let of_inner = schema.get(inner).map(own_rules).unwrap_or_default();
        rules.extend(of_inner.into_iter().map(|rule| format!("{name}: {rule}")));
    }
    rules
}

fn own_rules(schema: &Value) -> Vec<String> {
    let mut rules = Vec::new();
    let code = |value| format!("`{}`", text(value));
    let names = |values| list(values).map(code).collect::<Vec<_>>().join(", ");
    if schema.get("enum").is_some() {
        rules.push(format!("one of {}", names(&schema["enum"])));
    }
    for (least, most, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
    ] {
        rules.extend(bounds(schema[least].as_f64(), schema[most].as_f64()).map(|bounds| bounds + unit));
    }
    if let Some(pattern) = schema.get("pattern") {
        rules.push(format!("matches {}", code(pattern)));
    }
    if let Some(keys) = schema.get("x-kubernetes-list-map-keys") {
        rules.push(format!("no two entries with the same {}", names(keys)));
    }
    rules.extend(list(&schema["x-kubernetes-validations"]).map(|rule| text(&rule["message"]).to_owned()));
    rules
}

fn bounds(least: Option<f64>, most: Option<f64>) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (None, None) => None,
    }
}

fn fails_with(path: &str) -> String {
    let (_, reasons) = JUDGED.iter().find(|(judged, _)| *judged == path).unwrap_or(&("", &[]));
    let names = reasons.iter().map(|reason| format!("`{reason}`"));
    std::iter::once("refused by the API server".to_owned()).chain(names).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cells(page: &str) -> Vec<Vec<String>> {
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
        rows.map(|row| row.split(" | ").map(ToOwned::to_owned).collect()).collect()
    }

    #[test]
    fn every_field_says_what_counts_without_it() {
        for row in cells(&reference()) {
            assert!(row.len() == 5 && !row[2].is_empty(), "{row:?} has no default");
        }
    }

    #[test]
    fn every_judged_field_is_there_once() {
        let page = reference();
        for (index, (path, reasons)) in JUDGED.iter().enumerate() {
            assert!(page.contains(&format!("\n| `{path}` |")), "{path} is no field");
            assert!(!reasons.is_empty() && JUDGED[..index].iter().all(|(other, _)| other != path), "{path}");
        }
    }

    #[test]
    fn rules_are_told_in_words() {
        for (schema, type_, expected) in [
            (json!({"type": "boolean"}), "boolean", ""),
            (json!({"type": "integer", "minimum": 1.0}), "integer", "at least 1"),
            (json!({"type": "string", "enum": ["A", "B"]}), "enum", "one of `A`, `B`"),
            (
                json!({"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a|b$"}),
                "string",
                "1 to 9 characters; matches `^a|b$`",
            ),
            (
                json!({"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 3}}),
                "list of strings",
                "at most 2 entries; each entry: at most 3 characters",
            ),
            (
                json!({
                    "type": "object",
                    "additionalProperties": {"type": "string", "maxLength": 3},
                    "x-kubernetes-validations": [{"rule": "x", "message": "no x"}],
                }),
                "map of strings",
                "no x; each value: at most 3 characters",
            ),
        ] {
            assert_eq!((type_of(&schema).as_str(), rules(&schema).join("; ").as_str()), (type_, expected));
        }
    }
}
