//! `docs/reference.md`: it is made from the schemas, so that it cannot lag behind them, and each of its rows has a bad
//! manifest. `UPDATE=1` rewrites the page.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use secure_parameter_operator::api::{Reason, crds};
use serde_json::{Value, json};

use super::{Kind, bad_manifests};

/// The text above the tables.
const INTRODUCTION: &str = "# Reference

This page lists every field of `spec` of the three kinds: its type, its default, its rules, and how the object fails if the
value is wrong. The API server refuses what breaks a rule, so `kubectl apply` says it at once. What only shows later is in the
condition `Ready` of the object or of its store, with one of the [reasons](reasons.md) given here.

The page is generated from the schemas: `UPDATE=1 cargo test --test integration schema::reference`.
";

/// The reasons with which an object fails if the schema accepts a value, but it is wrong.
const JUDGED: &[(&str, &[Reason])] = {
    use Reason as R;
    const READ: &[Reason] =
        &[R::InvalidSpec, R::PolicyDenied, R::ParameterNotFound, R::AccessDenied, R::DecryptDenied, R::KeyUnavailable];
    const STORE: &[Reason] = &[R::StoreNotFound, R::StoreNotReady];
    const KEYS: &[Reason] = &[R::InvalidSpec, R::KeyCollision, R::ValueError];
    const KMS_DECRYPT: &[Reason] = &[R::PolicyDenied, R::CiphertextInvalid, R::DecryptDenied, R::KeyUnavailable];
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
        ("spec.data[].kmsDecrypt", KMS_DECRYPT),
        ("spec.data[].kmsDecrypt.keyID", KMS_DECRYPT),
        ("spec.data[].kmsDecrypt.encryptionContext", &[R::CiphertextInvalid, R::DecryptDenied]),
        ("spec.data[].jsonPath", &[R::InvalidSpec, R::ValueError]),
        ("spec.data[].decode", &[R::ValueError]),
        ("spec.dataFrom", &[R::KeyCollision, R::SecretTooLarge]),
        ("spec.dataFrom[].parameter", READ),
        (
            "spec.dataFrom[].path",
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
        ("spec.dataFrom[].version", &[R::VersionNotFound]),
        ("spec.dataFrom[].label", &[R::VersionNotFound, R::PathEmpty]),
        ("spec.dataFrom[].previous", &[R::VersionNotFound]),
        ("spec.dataFrom[].kmsDecrypt", KMS_DECRYPT),
        ("spec.dataFrom[].kmsDecrypt.keyID", KMS_DECRYPT),
        ("spec.dataFrom[].kmsDecrypt.encryptionContext", &[R::CiphertextInvalid, R::DecryptDenied]),
        ("spec.dataFrom[].jsonPath", &[R::InvalidSpec, R::ValueError]),
        ("spec.dataFrom[].decode", &[R::ValueError]),
        ("spec.dataFrom[].format", &[R::ValueError]),
        ("spec.dataFrom[].recursive", &[R::PathEmpty, R::PolicyDenied]),
        ("spec.dataFrom[].include", &[R::InvalidSpec, R::PathEmpty, R::ValueError]),
        ("spec.dataFrom[].exclude", &[R::InvalidSpec, R::PathEmpty, R::ValueError]),
        ("spec.dataFrom[].keys", KEYS),
        ("spec.dataFrom[].keys.style", KEYS),
        ("spec.dataFrom[].keys.prefix", KEYS),
        ("spec.keyConflicts", &[R::KeyCollision]),
        ("spec.target.name", SECRET),
        ("spec.target.type", &[R::InvalidSpec, R::ValueError]),
        ("spec.target.labels", &[R::InvalidSpec]),
        ("spec.target.annotations", &[R::InvalidSpec]),
        ("spec.target.template.data", &[R::TemplateError, R::KeyCollision, R::SecretTooLarge]),
        ("spec.target.template.mergePolicy", &[R::InvalidSpec, R::KeyCollision]),
        ("spec.target.creationPolicy", SECRET),
        ("spec.restart", RESTART),
        ("spec.restart[].group", RESTART),
        ("spec.restart[].kind", RESTART),
        ("spec.restart[].name", RESTART),
        ("spec.restart[].selector", RESTART),
        ("spec.region", &[R::StoreNotReady, R::EndpointUnreachable]),
        ("spec.fips", &[R::InvalidSpec, R::EndpointUnreachable]),
        ("spec.dualStack", &[R::InvalidSpec, R::EndpointUnreachable]),
        ("spec.endpoints", &[R::InvalidSpec, R::EndpointUnreachable]),
        ("spec.endpoints.ssm", &[R::InvalidSpec, R::EndpointUnreachable]),
        ("spec.endpoints.kms", &[R::InvalidSpec, R::EndpointUnreachable]),
        ("spec.endpoints.sts", &[R::InvalidSpec, R::EndpointUnreachable]),
        ("spec.prefix", &[R::InvalidSpec, R::PolicyDenied, R::ParameterNotFound]),
        ("spec.identity.credentialsSecretRef", CREDENTIALS),
        ("spec.identity.credentialsSecretRef.namespace", CREDENTIALS),
        ("spec.identity.credentialsSecretRef.name", CREDENTIALS),
        ("spec.identity.credentialsSecretRef.keys", CREDENTIALS),
        ("spec.identity.serviceAccountRef", CREDENTIALS),
        ("spec.identity.serviceAccountRef.name", CREDENTIALS),
        ("spec.identity.serviceAccountRef.audiences", CREDENTIALS),
        ("spec.identity.assumeRoles", &[R::AccessDenied, R::CredentialsInvalid]),
        ("spec.identity.assumeRoles[].roleARN", &[R::AccessDenied, R::StoreNotReady]),
        ("spec.identity.assumeRoles[].externalID", &[R::AccessDenied]),
        ("spec.identity.sessionPolicy", &[R::AccessDenied]),
        ("spec.decryption", &[R::DecryptDenied]),
        ("spec.access", &[R::PolicyDenied]),
        ("spec.access[].namespaces", &[R::PolicyDenied]),
        ("spec.access[].namespaces.from", &[R::PolicyDenied]),
        ("spec.access[].namespaces.names", &[R::PolicyDenied]),
        ("spec.access[].namespaces.selector", &[R::PolicyDenied]),
        ("spec.access[].parameters", &[R::InvalidSpec, R::PolicyDenied]),
        ("spec.access[].kmsKeys", &[R::InvalidSpec, R::PolicyDenied]),
        ("spec.access[].kmsDecryptKeys", &[R::InvalidSpec, R::PolicyDenied]),
        ("spec.quota.requestsPerSecond", &[R::Throttled]),
    ]
};

/// Returns the page in Markdown, with a table for each kind.
fn reference() -> String {
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

/// A field of a kind, as the schema describes it.
struct Field<'a> {
    /// The path that users write, with `[]` after a list.
    path: String,
    schema: &'a Value,
    is_required: bool,
}

/// Returns a field and every field within it.
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

/// Returns what the description says after "Default:".
fn default(field: &Field<'_>) -> String {
    if field.is_required {
        return "required".to_owned();
    }
    let description = text(&field.schema["description"]).replace('\n', " ");
    let sentence = description.split_once("Default: ").map_or("", |(_, rest)| rest);
    sentence.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// Returns the rules for a value, and for each value within it.
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

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md")
}

#[test]
fn the_page_is_generated_from_the_schemas() -> Result<()> {
    if env::var_os("UPDATE").is_some() {
        fs::write(file(), reference())?;
    }
    let hint = "run: UPDATE=1 cargo test --test integration schema::reference";
    ensure!(fs::read_to_string(file())? == reference(), "docs/reference.md is out of date; {hint}");
    Ok(())
}

/// A row claims that the API server refuses a value that breaks its rule; a bad manifest shows it.
#[test]
fn every_row_has_a_bad_manifest() -> Result<()> {
    let page = reference();
    let mut tested: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
    for bad in bad_manifests() {
        tested.entry(bad.kind).or_default().insert(bad.field);
    }
    for kind in [Kind::SecureParameter, Kind::ClusterParameterStore, Kind::ParameterStore] {
        let (_, section) = page.split_once(&format!("\n## {kind:?}\n")).context("no such kind")?;
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows: BTreeSet<_> = section.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
        ensure!(rows.len() >= 7, "only {} rows of {kind:?} were found", rows.len());
        let tested = tested.remove(&kind).unwrap_or_default();
        let untested: Vec<_> = rows.difference(&tested).collect();
        ensure!(
            untested.is_empty(),
            "{kind:?} has fields without a bad manifest in tests/integration/schema: {untested:?}"
        );
        let unknown: Vec<_> = tested.difference(&rows).collect();
        ensure!(unknown.is_empty(), "bad manifests are about fields that {kind:?} does not have: {unknown:?}");
    }
    Ok(())
}

fn cells(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").map(ToOwned::to_owned).collect()).collect()
}

#[test]
fn every_field_says_its_default() {
    for row in cells(&reference()) {
        assert!(row.len() == 5 && !row[2].is_empty(), "{row:?} has no default");
    }
}

#[test]
fn every_field_with_reasons_is_in_the_reference_once() {
    let page = reference();
    for (index, (path, reasons)) in JUDGED.iter().enumerate() {
        assert!(page.contains(&format!("\n| `{path}` |")), "{path} is no field");
        assert!(!reasons.is_empty() && JUDGED[..index].iter().all(|(other, _)| other != path), "{path}");
    }
}

#[test]
fn rules_are_written_in_words() {
    for (schema, type_, expected) in [
        (json!({"type": "boolean"}), "boolean", ""),
        (json!({"type": "integer", "minimum": 1.0}), "integer", "at least 1"),
        (json!({"type": "string", "enum": ["A", "B"]}), "enum", "one of `A`, `B`"),
        (json!({"type": "string", "minLength": 1, "maxLength": 9}), "string", "1 to 9 characters"),
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
