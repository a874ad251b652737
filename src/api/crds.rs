//! The CustomResourceDefinitions, as installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::api::{
    condition::unreported,
    secure_parameter::SecureParameter,
    store::{ClusterParameterStore, ParameterStore},
};

/// All definitions with the file name each is kept under in `crds/`.
pub fn crds() -> Vec<(String, Value)> {
    [SecureParameter::crd(), ClusterParameterStore::crd(), ParameterStore::crd()].into_iter().map(manifest).collect()
}

/// A definition as YAML.
///
/// # Errors
/// If it has no YAML form.
pub fn to_yaml(manifest: &Value) -> Result<String, serde_yaml::Error> {
    // A bare time is no text in YAML 1.1.
    let time = unreported().last_transition_time.0;
    Ok(serde_yaml::to_string(manifest)?.replace(&format!(": {time}"), &format!(": '{time}'")))
}

fn manifest(crd: CustomResourceDefinition) -> (String, Value) {
    let file = format!("{}.yaml", crd.spec.names.plural);
    // A CRD is plain data; it always has a JSON form.
    let mut manifest = serde_json::to_value(crd).unwrap_or_default();
    clean(&mut manifest);
    for version in manifest["spec"]["versions"].as_array_mut().into_iter().flatten() {
        version["schema"]["openAPIV3Schema"]["properties"]["status"]["default"] = json!({"conditions": [unreported()]});
    }
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
