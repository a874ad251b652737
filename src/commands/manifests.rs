//! Our objects in files.

use std::path::PathBuf;

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use crate::{
    commands::documents::{DEFAULT_NAMESPACE, Document, documents},
    kubernetes::listing::Listing,
};

/// Reads the objects in files. Kinds that do not matter are left out.
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
    for document in documents(files)? {
        add(&mut listing, document, namespace.unwrap_or(DEFAULT_NAMESPACE))?;
    }
    Ok(listing)
}

fn add(listing: &mut Listing, document: Document, namespace: &str) -> Result<(), String> {
    let Document { place, value } = document;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_ours = field("apiVersion").starts_with("secureparameter.io/");
    match field("kind") {
        "Namespace" => listing.namespaces.push(object(value, &place)?),
        "SecureParameter" if is_ours => listing.secure_parameters.push(within(object(value, &place)?, namespace)),
        "ParameterStore" if is_ours => listing.stores.push(within(object(value, &place)?, namespace)),
        "ClusterParameterStore" if is_ours => listing.cluster_stores.push(object(value, &place)?),
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
