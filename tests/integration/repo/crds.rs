//! The CustomResourceDefinitions: the files are up to date, small, and bounded.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use secure_parameter_operator::api::{crds, to_yaml};
use serde_json::Value;

/// Largest file. Client-side apply stores the whole manifest in an annotation, and Kubernetes limits all annotations of an
/// object to 256 KiB.
const MOST_BYTES: usize = 64 * 1024;

#[test]
fn the_files_are_up_to_date() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for (file, manifest) in crds() {
        let text = fs::read_to_string(folder.join(&file)).with_context(|| file.clone())?;
        let hint = "run: cargo run -- crds --write crds";
        assert_eq!(text, to_yaml(&manifest)?, "crds/{file} is out of date; {hint}");
        assert!(text.len() < MOST_BYTES, "crds/{file} has {} bytes", text.len());
    }
    let kustomization: Value = serde_yaml::from_str(&fs::read_to_string(folder.join("Kustomization"))?)?;
    let mut names: Vec<_> = crds().into_iter().map(|(file, _)| file).collect();
    names.sort();
    assert_eq!(kustomization["resources"], serde_json::json!(names), "crds/Kustomization lists all definitions");
    assert_eq!(fs::read_dir(folder)?.count(), names.len() + 1, "a file in crds/ that nothing generates");
    Ok(())
}

#[test]
fn schemas_have_bounds_and_no_defaults() {
    for (file, manifest) in crds() {
        let schema = &manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        check_schema(&file, schema);
    }
}

fn check_schema(path: &str, schema: &Value) {
    // The API server quotes a pattern, which leads nobody to what is allowed.
    assert!(schema.get("pattern").is_none(), "{path} has a pattern instead of a rule with a message");
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let message = rule["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{path} has a rule without a message: {rule}");
        assert!(!message.contains("[a-z") && !message.contains(")*"), "{path}: {message} is a regular expression");
    }
    assert!(schema.get("nullable").is_none(), "{path} has nullable");
    // Defaults of the spec are in the operator, so that the API server does not change what users wrote.
    assert_eq!(schema.get("default").is_some(), path.ends_with(".yaml.status"), "{path}: default");
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.for_each(|(name, property)| check_schema(&format!("{path}.{name}"), property));
    for nested in ["items", "additionalProperties"] {
        if let Some(nested) = schema.get(nested) {
            check_schema(&format!("{path}[]"), nested);
        }
    }
    if schema["type"] == "array" {
        assert!(schema.get("maxItems").is_some(), "{path} is an array without bound");
    }
    if schema["type"] == "string" && schema.get("enum").is_none() && schema.get("format").is_none() {
        assert!(schema.get("maxLength").is_some(), "{path} is a string without bound");
    }
}
