//! Objects in files of YAML or JSON.

use std::{
    io::{Read, stdin},
    path::{Path, PathBuf},
};

use kube::Resource;
use serde::{Deserialize, de::DeserializeOwned};
use serde_yaml::Value;

use crate::kubernetes::listing::Listing;

/// Stands for standard input.
const STDIN: &str = "-";
/// The namespace of manifests that name none, as `kubectl apply` finds it without a context.
const DEFAULT_NAMESPACE: &str = "default";

/// Reads the objects in files. Folders stand for the files with manifests in them. Kinds that do not matter are left out.
///
/// # Errors
/// One sentence that names the file, and the document in it that is not valid.
pub(super) fn read(files: &[PathBuf], namespace: Option<&str>) -> Result<Listing, String> {
    let mut listing = Listing {
        secure_parameters: Vec::new(),
        cluster_stores: Vec::new(),
        stores: Vec::new(),
        namespaces: Vec::new(),
    };
    for file in files {
        for file in expanded(file)? {
            let source =
                if file.as_os_str() == STDIN { "standard input".to_owned() } else { file.display().to_string() };
            let text = text(&file).map_err(|error| format!("Cannot read {source}: {error}."))?;
            for (index, document) in serde_yaml::Deserializer::from_str(&text).enumerate() {
                let place = format!("document {} of {source}", index + 1);
                let value = Value::deserialize(document);
                let value = value.map_err(|error| format!("Cannot read {place}, which is not valid YAML: {error}."))?;
                add(&mut listing, value, &place, namespace.unwrap_or(DEFAULT_NAMESPACE))?;
            }
        }
    }
    Ok(listing)
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
fn add(listing: &mut Listing, value: Value, place: &str, namespace: &str) -> Result<(), String> {
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_ours = field("apiVersion").starts_with("secureparameter.io/");
    match field("kind") {
        "List" => {
            let items = value.get("items").and_then(Value::as_sequence).cloned().unwrap_or_default();
            items.into_iter().try_for_each(|item| add(listing, item, place, namespace))?;
        }
        "Namespace" => listing.namespaces.push(object(value, place)?),
        "SecureParameter" if is_ours => listing.secure_parameters.push(within(object(value, place)?, namespace)),
        "ParameterStore" if is_ours => listing.stores.push(within(object(value, place)?, namespace)),
        "ClusterParameterStore" if is_ours => listing.cluster_stores.push(object(value, place)?),
        _ => {}
    }
    Ok(())
}

fn object<K: DeserializeOwned>(value: Value, place: &str) -> Result<K, String> {
    serde_yaml::from_value(value).map_err(|error| format!("Cannot read {place}, which is not a valid object: {error}."))
}

fn within<K: Resource>(mut object: K, namespace: &str) -> K {
    object.meta_mut().namespace.get_or_insert_with(|| namespace.to_owned());
    object
}
