//! `migrate`: prints what takes the place of objects of External Secrets Operator.

mod print;

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    cli::{MigrateArgs, Output},
    commands::documents::{DEFAULT_NAMESPACE, documents},
    domain::migrate::{group::is_of_domain, translation::translate},
    kubernetes::{connect, external_secrets},
};

/// Returns what the command prints.
///
/// # Errors
/// One sentence, if the objects cannot be read or there are none.
pub async fn migrate(args: MigrateArgs) -> Result<String, String> {
    let MigrateArgs { namespace, output, files } = args;
    let mut objects = if files.is_empty() {
        external_secrets::list(&connect().await?.requests, namespace.as_deref()).await?
    } else {
        read(&files)?
    };
    if let Some(namespace) = &namespace {
        let own = |object: &Value| object.pointer("/metadata/namespace").and_then(Value::as_str).map(str::to_owned);
        objects.retain(|object| own(object).is_none_or(|own| own == *namespace));
    }
    let translated = translate(objects, namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE));
    if translated.is_empty() {
        return Err("No object of External Secrets Operator was found; check the files and --namespace.".to_owned());
    }
    match output {
        Output::Text => print::text(&translated),
        Output::Json => print::json(&translated),
    }
}

/// Reads the objects of External Secrets Operator in files. Other documents, such as templates of charts, may have no JSON
/// form.
fn read(files: &[PathBuf]) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for document in documents(files)? {
        let version = document.value.get("apiVersion").and_then(serde_yaml::Value::as_str).unwrap_or_default();
        if is_of_domain(version) {
            let value = serde_json::to_value(&document.value);
            objects.push(value.map_err(|error| format!("Cannot read {}: {error}.", document.place))?);
        }
    }
    Ok(objects)
}
