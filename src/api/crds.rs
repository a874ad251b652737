//! The CustomResourceDefinitions, as installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use super::{ClusterParameterStore, ParameterStore, SecureParameter};

/// All definitions with the file name each is kept under in `crds/`.
pub fn crds() -> Vec<(String, Value)> {
    [SecureParameter::crd(), ClusterParameterStore::crd(), ParameterStore::crd()].into_iter().map(manifest).collect()
}

fn manifest(crd: CustomResourceDefinition) -> (String, Value) {
    let file = format!("{}.yaml", crd.spec.names.plural);
    // A CRD is plain data; it always has a JSON form.
    let mut manifest = serde_json::to_value(crd).unwrap_or_default();
    clean(&mut manifest);
    (file, manifest)
}

/// Removes what derives add and Kubernetes does not want: `nullable` (an explicit null is a mistake, not a value) and
/// integer formats that the API server warns about.
fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A property may be called `nullable` or `format`: only keywords have these value types.
            if map.get("nullable").is_some_and(Value::is_boolean) {
                map.remove("nullable");
            }
            if map.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                map.remove("format");
            }
            map.values_mut().for_each(clean);
        }
        Value::Array(list) => list.iter_mut().for_each(clean),
        _ => {}
    }
}
