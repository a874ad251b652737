//! Objects in files of YAML or JSON.

use std::{
    io::{Read, stdin},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_yaml::Value;

/// Stands for standard input.
const STDIN: &str = "-";
/// The namespace of manifests that name none, as `kubectl apply` finds it without a context.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// An object as it stands in a file.
pub(super) struct Document {
    /// Where it stands, for messages.
    pub(super) place: String,
    /// The object.
    pub(super) value: Value,
}

/// Reads the objects in files. Folders stand for the files with manifests in them, and lists for their items.
///
/// # Errors
/// One sentence that names the file, and the document in it that is not valid.
pub(super) fn documents(files: &[PathBuf]) -> Result<Vec<Document>, String> {
    let mut documents = Vec::new();
    for file in files {
        for file in expanded(file)? {
            let source =
                if file.as_os_str() == STDIN { "standard input".to_owned() } else { file.display().to_string() };
            let text = text(&file).map_err(|error| format!("Cannot read {source}: {error}."))?;
            for (index, document) in serde_yaml::Deserializer::from_str(&text).enumerate() {
                let place = format!("document {} of {source}", index + 1);
                let value = Value::deserialize(document);
                let value = value.map_err(|error| format!("Cannot read {place}, which is not valid YAML: {error}."))?;
                add(&mut documents, value, &place);
            }
        }
    }
    Ok(documents)
}

/// Returns the files of a folder in order, or the file itself.
fn expanded(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = |error: std::io::Error| format!("Cannot read folder {}: {error}.", path.display());
    let files: Result<Vec<_>, _> =
        std::fs::read_dir(path).map_err(cannot)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let is_manifest = |path: &PathBuf| {
        path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
    };
    let mut files: Vec<_> = files.map_err(cannot)?.into_iter().filter(is_manifest).collect();
    files.sort();
    Ok(files)
}

fn text(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    if file.as_os_str() == STDIN {
        stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file)?;
    }
    Ok(text)
}

/// Adds an object, or those of a list.
fn add(documents: &mut Vec<Document>, mut value: Value, place: &str) {
    let version = value.get("apiVersion").cloned();
    let kind = value.get("kind").and_then(Value::as_str).and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
    match value.get_mut("items").filter(|_| kind.is_some()) {
        Some(Value::Sequence(items)) => {
            for mut item in std::mem::take(items) {
                // The API server leaves out what the items of a list have in common.
                if let (Value::Mapping(item), Some(kind), Some(version)) = (&mut item, &kind, &version)
                    && !kind.is_empty()
                    && !item.contains_key("kind")
                {
                    item.insert("kind".into(), kind.as_str().into());
                    item.insert("apiVersion".into(), version.clone());
                }
                add(documents, item, place);
            }
        }
        _ => documents.push(Document { place: place.to_owned(), value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_list_may_leave_out_what_they_have_in_common() -> Result<(), serde_yaml::Error> {
        let text = "{apiVersion: example.io/v1, kind: ThingList, items: [{metadata: {name: a}}, {kind: Other, apiVersion: v1}]}";
        let mut found = Vec::new();
        add(&mut found, serde_yaml::from_str(text)?, "document 1");
        let named =
            found.iter().map(|document| (document.value["apiVersion"].as_str(), document.value["kind"].as_str()));
        let expected = [(Some("example.io/v1"), Some("Thing")), (Some("v1"), Some("Other"))];
        assert_eq!(named.collect::<Vec<_>>(), expected);
        Ok(())
    }
}
