//! The CustomResourceDefinitions: equal to their files, small, and applied without complaint.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use secure_parameter_operator::api::crds;
use serde_json::Value;

/// Client-side apply keeps the whole manifest in an annotation, which Kubernetes limits to 256 KiB in all; we stay far
/// below.
const MOST_BYTES: usize = 64 * 1024;

#[test]
fn the_files_are_what_the_types_say() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for (file, manifest) in crds() {
        let text = fs::read_to_string(folder.join(&file)).with_context(|| file.clone())?;
        let hint = "run: cargo run -- crds --write crds";
        assert_eq!(text, serde_yaml::to_string(&manifest)?, "crds/{file} is out of date; {hint}");
        assert!(text.len() < MOST_BYTES, "crds/{file} has {} bytes", text.len());
    }
    assert_eq!(fs::read_dir(folder)?.count(), crds().len(), "a file in crds/ that nothing generates");
    Ok(())
}

#[test]
fn schemas_have_neither_defaults_nor_nullable() {
    for (file, manifest) in crds() {
        let schema = &manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        check_schema(&file, schema);
    }
}

fn check_schema(path: &str, schema: &Value) {
    for keyword in ["default", "nullable"] {
        assert!(schema.get(keyword).is_none(), "{path} has {keyword}");
    }
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
